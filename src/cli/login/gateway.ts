/**
 * The gateway as an authorization server: where its endpoints are (RFC 8414), and how requests reach it. The protocol is
 * that of `openid-client`; errors become messages for the person at the terminal.
 */

import * as openid from 'openid-client';
import { z } from 'zod';
import { COMMAND_LINE_CLIENT } from '../../endpoints/command-line/client.ts';
import { ConfigFault } from '../../errors.ts';
import { jsonOf } from '../../lib/text/json.ts';
import { VERSION } from '../../version.ts';
import { type HttpAnswer, request } from '../io/http.ts';
import type { StoredLogin } from './store.ts';

/** Longest document or answer that is read. */
const MAX_BYTES = 256 * 1024;
const TIMEOUT_MS = 10_000;

const SYSTEMS: Readonly<Record<string, string>> = { linux: 'Linux', darwin: 'Mac OS X', win32: 'Windows' };
/** Lets users recognise the session. */
const USER_AGENT = `sallyport/${VERSION} (${SYSTEMS[process.platform] ?? 'other'})`;

const metadataSchema = z.looseObject({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  revocation_endpoint: z.string(),
  device_authorization_endpoint: z.string().optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});

/** The endpoints of a gateway. */
export interface GatewayAsServer {
  readonly config: openid.Configuration;
  readonly hasDeviceGrant: boolean;
}

/**
 * Asks a gateway for its endpoints. All of them have to be its own: tokens go nowhere else.
 *
 * @throws ConfigFault when it cannot be asked, or offers no such login
 */
export async function findGateway(origin: string): Promise<GatewayAsServer> {
  const answer = await ask('GET', new URL('/.well-known/oauth-authorization-server', origin));
  const parsed = answer.status === 200 ? metadataSchema.safeParse(jsonOf(answer.body)) : null;
  if (parsed?.success !== true)
    throw new ConfigFault(
      `${origin} offers no login from a terminal (status ${answer.status}): it needs refresh.commandLine in its configuration`,
    );
  const server = parsed.data;
  for (const [name, value] of Object.entries(server)) {
    if (name.endsWith('_endpoint') && (typeof value !== 'string' || !isAt(value, origin)))
      throw new ConfigFault(`${origin} names a ${name} that is not its own: nothing is sent there`);
  }
  const config = new openid.Configuration(
    server as openid.ServerMetadata,
    COMMAND_LINE_CLIENT,
    undefined,
    openid.None(),
  );
  config[openid.customFetch] = fetchFrom(origin);
  if (origin.startsWith('http:')) openid.allowInsecureRequests(config);
  return { config, hasDeviceGrant: server.device_authorization_endpoint !== undefined };
}

const isAt = (address: string, origin: string): boolean => URL.canParse(address) && new URL(address).origin === origin;

/** A login made of the answer of a token endpoint. @throws ConfigFault when the answer lacks something */
export function loginOf(
  origin: string,
  { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresInSec }: openid.TokenEndpointResponse,
  nowMs: number,
): StoredLogin {
  if (refreshToken === undefined || expiresInSec === undefined)
    throw new ConfigFault(`${origin} answered without a refresh token`);
  return { origin, accessToken, expiresAtMs: nowMs + expiresInSec * 1_000, refreshToken };
}

/** The `error` code of the gateway's answer (RFC 6749 §5.2); `null` for any other failure. */
export const oauthErrorOf = (thrown: unknown): string | null =>
  thrown instanceof openid.ResponseBodyError || thrown instanceof openid.AuthorizationResponseError
    ? thrown.error
    : null;

/** What went wrong, in words. */
export function inWords(origin: string, thrown: unknown): ConfigFault {
  if (thrown instanceof ConfigFault) return thrown;
  // Faults of the connection are inside of those of the library.
  if (thrown instanceof Error && thrown.cause instanceof ConfigFault) return thrown.cause;
  const error = oauthErrorOf(thrown);
  const description = thrown instanceof openid.ResponseBodyError ? thrown.error_description : undefined;
  switch (error) {
    case 'access_denied':
      return new ConfigFault('the login was refused in the browser');
    case 'expired_token':
      return new ConfigFault('the login was not confirmed in time: start it again');
    case 'invalid_grant':
      return new ConfigFault(`the login to ${origin} has ended: log in again with sallyport login ${origin}`);
    case null:
      return new ConfigFault(`${origin} answered with something unexpected`, { cause: thrown });
    default:
      return new ConfigFault(`${origin} refused: ${error}${description === undefined ? '' : `, ${description}`}`);
  }
}

const ask = (method: string, url: URL, headers: Readonly<Record<string, string>> = {}, body?: string) =>
  request(method, url, {
    headers: { accept: 'application/json', ...headers, 'user-agent': USER_AGENT },
    ...(body !== undefined && { body }),
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  });

const fetchFrom =
  (origin: string): openid.CustomFetch =>
  async (address, { method, headers, body }) => {
    const url = new URL(address);
    if (url.origin !== origin) throw new ConfigFault(`a request to ${url.origin} instead of ${origin}`);
    const text = body == null ? undefined : String(body);
    const length = text === undefined ? {} : { 'content-length': String(Buffer.byteLength(text)) };
    return response(await ask(method, url, { ...headers, ...length }, text));
  };

function response({ status, body, contentType }: HttpAnswer): Response {
  const headers = contentType === null ? {} : { 'content-type': contentType };
  return new Response(body === '' ? null : body, { status, headers });
}
