/**
 * command-line: logins of a person at a terminal (RFC 8252, RFC 8628), who approves them in a browser. The terminal gets a session
 * and a refresh family (`native`) of its own.
 *
 * Input: a browser with a session, which is asked for consent, and a program that has a code for it. Output: pages for the person,
 * tokens for the program. Fails with Denials, with pages while it is not certain where an error may be sent, and with 503 when the
 * store does not answer: then nobody is let in, and no code is reported as unknown.
 */

import type { AttemptStore, CodeStore, OnceStore } from '../../store/store.ts';
import { type EndpointRow, rowsBelow } from '../endpoints.ts';
import type { EndpointParts } from '../parts.ts';
import type { Refresh } from '../refresh/open-refresh.ts';
import type { RefreshConfig } from '../refresh/section.ts';
import { tokenEndpointRow } from '../token/compile.ts';
import type { TokenEndpoint } from '../token/token-endpoint.ts';
import type { WellKnownSections } from '../well-known.ts';
import { Approvals } from './approvals.ts';
import { AuthorizeEndpoint } from './authorize-endpoint.ts';
import { DevicePages } from './device-endpoint.ts';
import { DeviceGrant } from './device-grant.ts';
import { metadataRow } from './metadata.ts';
import type { CommandLineParts } from './parts.ts';
import { Redeemer } from './redeemer.ts';
import type { CommandLineSeries } from './series.ts';
import { CommandLineTokenEndpoints } from './token-endpoints.ts';

interface CommandLineSurroundings {
  /** `iss` of our tokens. */
  readonly issuer: string;
  readonly login: EndpointParts;
  /** Answers the other grants of the token endpoint; `null` where there are none. */
  readonly tokenEndpoint: TokenEndpoint | null;
  readonly codes: CodeStore;
  readonly attempts: AttemptStore;
  readonly once: OnceStore;
  readonly series: { readonly commandLine: CommandLineSeries };
}

/** The sections that it reads. */
type CommandLineSections = WellKnownSections & { readonly refresh?: RefreshConfig | undefined };

/**
 * The rows for `Endpoints`, that of the token endpoint included: for services alone where there is no command line, and none
 * where there is neither.
 */
export function tokenEndpointRows(config: CommandLineSections, surroundings: CommandLineSurroundings): EndpointRow[] {
  const { login, tokenEndpoint } = surroundings;
  const commandLine = config.refresh?.commandLine;
  if (commandLine !== undefined && login.refresh !== null) {
    return commandLineRows(config, partsOf(commandLine.deviceGrant, login.refresh, surroundings), tokenEndpoint);
  }
  if (tokenEndpoint === null) return [];
  return [tokenEndpointRow(config.basePath, (exchange, request) => tokenEndpoint.answer(exchange, request))];
}

function commandLineRows(
  config: CommandLineSections,
  parts: CommandLineParts,
  tokenEndpoint: TokenEndpoint | null,
): EndpointRow[] {
  const { deviceGrant, login } = parts;
  const { basePath } = login;
  const row = rowsBelow(basePath);
  const authorize = new AuthorizeEndpoint(parts);
  const tokens = new CommandLineTokenEndpoints(parts, tokenEndpoint);
  const rows = [
    tokenEndpointRow(basePath, tokens.token),
    row('POST', '/revoke', tokens.revoke),
    row('GET', '/authorize', (exchange, request) => authorize.ask(exchange, request)),
    row('POST', '/authorize', (exchange, request) => authorize.decide(exchange, request)),
    metadataRow(config, parts),
  ];
  if (deviceGrant === null) return rows;
  const pages = new DevicePages(parts, deviceGrant);
  return [
    ...rows,
    row('POST', '/device_authorization', tokens.device(deviceGrant)),
    row('GET', '/device', (exchange, request) => pages.ask(exchange, request)),
    row('POST', '/device', (exchange, request) => pages.answer(exchange, request)),
  ];
}

function partsOf(
  hasDeviceGrant: boolean,
  refresh: Refresh,
  { issuer, login, codes, attempts, once, series }: CommandLineSurroundings,
): CommandLineParts {
  const { wallMs } = login;
  const approvals = new Approvals(codes);
  const redeemer = new Redeemer({ login, refresh, approvals, attempts });
  const deviceGrant = hasDeviceGrant ? new DeviceGrant({ approvals, redeemer, codes, attempts, once, wallMs }) : null;
  return { login, refresh, approvals, redeemer, deviceGrant, series: series.commandLine, issuer };
}
