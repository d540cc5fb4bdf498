/** Opens the gateway's own endpoints on the public listener: documents, tokens, login and sessions. */

import type { CorsConfig } from '../cors/section.ts';
import { tokenEndpointRows } from '../endpoints/command-line/open.ts';
import { Endpoints } from '../endpoints/endpoints.ts';
import { type Login, openLogin } from '../endpoints/login/open.ts';
import { openRefresh } from '../endpoints/refresh/open-refresh.ts';
import { refreshRow } from '../endpoints/refresh/refresh-endpoint.ts';
import { sessionEndpoints } from '../endpoints/sessions/rows.ts';
import { compileTokenEndpoint } from '../endpoints/token/compile.ts';
import { wellKnownEndpoints } from '../endpoints/well-known.ts';
import type { Keyring } from '../token/keyring.ts';
import { openSessionCookies } from './authenticator.ts';
import type { Contents } from './configuration/contents.ts';

/** The sections that the endpoints are made from. */
type EndpointSections = Parameters<typeof openLogin>[0] &
  Parameters<typeof openRefresh>[0] &
  Parameters<typeof tokenEndpointRows>[0] &
  Parameters<typeof compileTokenEndpoint>[0] &
  Parameters<typeof wellKnownEndpoints>[0]['config'] & { readonly cors?: CorsConfig | undefined };

/** What the endpoints are made of. */
type EndpointSurroundings = Omit<Parameters<typeof openLogin>[2], 'refresh' | 'sessionCookies'> &
  Parameters<typeof openRefresh>[1] &
  Omit<Parameters<typeof tokenEndpointRows>[1], 'login' | 'tokenEndpoint'> &
  Omit<Parameters<typeof compileTokenEndpoint>[2], 'keyring'> & {
    readonly signingKeys: { readonly keyring: Keyring };
  };

/** The endpoints of one configuration. */
interface OpenedEndpoints extends Pick<Login, 'usersFile' | 'providers' | 'providerTokens'> {
  readonly endpoints: Endpoints;
}

/**
 * Opens them. Reads no file: what is in those that the configuration names is handed in.
 *
 * @param previous  its identity providers are kept, where nothing about them has changed
 */
export function openEndpoints(
  config: EndpointSections,
  { clients, login: loginContents }: Pick<Contents, 'clients' | 'login'>,
  parts: EndpointSurroundings,
  previous: Pick<Login, 'providers' | 'providerTokens'> | null,
): OpenedEndpoints {
  const { issuer, responder, signingKeys } = parts;
  const { keyring } = signingKeys;
  const refresh = openRefresh(config, parts);
  const surroundings = { ...parts, refresh, sessionCookies: openSessionCookies(config, parts) };
  const login = openLogin(config, loginContents, surroundings, previous);
  const tokenEndpoint = compileTokenEndpoint(config, clients, { ...parts, keyring });
  const rows = [
    ...wellKnownEndpoints({ responder, keyring, issuer, config }),
    ...tokenEndpointRows(config, { ...parts, login: login.parts, tokenEndpoint }),
    ...sessionEndpoints(login.parts, login.logins),
    ...login.endpoints,
    ...(refresh === null ? [] : [refreshRow(login.parts, refresh)]),
  ];
  const preflight = config.cors === undefined ? null : responder.preflight.bind(responder);
  const { usersFile, providers, providerTokens } = login;
  return { endpoints: new Endpoints(config.basePath, rows, preflight), usersFile, providers, providerTokens };
}
