/** Headers that services get: which of them are identity headers here, and what they are read from. */

import type { ImportOutput } from './draft.ts';
import type { OldHeader } from './model.ts';
import type { ProviderKind } from './provider-kinds.ts';
import type { Origin } from './report.ts';
import type { SecretStore } from './secrets.ts';

/** What the headers of routes become. */
export interface NewHeaders {
  /** Header → source. */
  readonly identity: Readonly<Record<string, string>>;
  /** Header → value. */
  readonly fixed: Readonly<Record<string, string>>;
  /** Of `Authorization` with a token of the gateway; none without. */
  readonly tokenOrigins: readonly Origin[];
  /** The header with the access token of the provider; `null` without. */
  readonly providerToken: { readonly header: string; readonly origin: Origin } | null;
  /** Attributes that the sources need: name → claim path. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly needsGroups: boolean;
  readonly origins: readonly Origin[];
}

/** Claims that do not identify a user. */
const TOKENS = ['access_token', 'id_token', 'refresh_token', 'expires_on'];

const isAuthorization = ({ name }: OldHeader) => name.toLowerCase() === 'authorization';

/** Whether a header can have the access token of the provider: as it is, or as the only Bearer token in Authorization. */
function isProviderToken(header: OldHeader, all: readonly OldHeader[]): boolean {
  const { claim, prefix, isBasic } = header;
  if (claim !== 'access_token' || isBasic) return false;
  if (!isAuthorization(header)) return prefix === '';
  return /^bearer $/i.test(prefix) && !all.some((other) => other.claim === 'id_token' && isAuthorization(other));
}

/** Reads the headers. */
export function readHeaders(
  headers: readonly OldHeader[],
  kind: ProviderKind,
  { report, secrets }: Omit<ImportOutput, 'draft'>,
): NewHeaders {
  const identity: Record<string, string> = {};
  const fixed: Record<string, string> = {};
  const attributes: Record<string, string> = {};
  const origins: Origin[] = [];
  const tokenOrigins: Origin[] = [];
  let providerToken: NewHeaders['providerToken'] = null;
  for (const header of headers) {
    const { name, claim, prefix, isBasic, origin } = header;
    if (claim === 'groups' && kind.hasNoGroups) continue;
    if (claim === 'id_token' && isAuthorization(header)) {
      tokenOrigins.push(origin);
      report.different(
        origin,
        '`Authorization: Bearer` has a token of the gateway, not the ID token: the service verifies it with `/.well-known/jwks.json` of the gateway.',
      );
    } else if (claim === null) {
      const value = fixedValue(header, secrets);
      if (value !== null) fixed[name] = value;
    } else if (providerToken === null && isProviderToken(header, headers)) {
      providerToken = { header: name, origin };
    } else if (isBasic || TOKENS.includes(claim) || prefix !== '' || isAuthorization(header)) {
      report.dropped(origin, whyNot(header));
      continue;
    } else {
      const attribute = attributeOf(claim, kind);
      if (attribute !== null) attributes[attribute.name] = attribute.path;
      identity[name] = SOURCES[claim] ?? `user.${attribute?.name ?? claim}`;
    }
    origins.push(origin);
  }
  const needsGroups = Object.values(identity).includes('user.groups');
  return { identity, fixed, tokenOrigins, providerToken, attributes, needsGroups, origins };
}

const SOURCES: Readonly<Record<string, string>> = {
  email: 'user.email',
  groups: 'user.groups',
  created_at: 'session.createdAt',
};

/** An attribute that has a claim; `null` where the gateway has it anyway. */
function attributeOf(claim: string, kind: ProviderKind): { readonly name: string; readonly path: string } | null {
  if (Object.hasOwn(SOURCES, claim)) return null;
  if (claim === 'user') return { name: 'user', path: kind.user };
  if (claim === 'preferred_username') return { name: 'preferredUsername', path: kind.username ?? 'preferred_username' };
  return { name: claim.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 64), path: claim };
}

function whyNot({ claim, isBasic, prefix, name }: OldHeader): string {
  if (isBasic)
    return 'The user does not go into `Authorization: Basic`. Let the service read the upstream token or an identity header.';
  if (claim === 'access_token') return 'A route sends the access token of the provider in one header: `providerToken`.';
  if (claim === 'refresh_token') return `Refresh tokens stay in the gateway: ${name} is not sent.`;
  if (claim === 'id_token')
    return `ID tokens stay in the gateway: ${name} is not sent. \`upstreamToken: minted\` with \`tokenHeader: ${name}\` sends a token of the gateway.`;
  if (claim === 'expires_on') return 'No header says when the session ends. `{basePath}/session` does.';
  return `An identity header has the value alone, not behind "${prefix.trim()}".`;
}

function fixedValue({ fixed, name, origin }: OldHeader, secrets: SecretStore): string | null {
  if (fixed === null) return null;
  if (fixed.kind === 'variable') return `\${${fixed.text}}`;
  if (fixed.kind === 'file') return `\${file:${fixed.text}}`;
  return `\${file:${secrets.file(`header-${name.toLowerCase()}`, fixed.text, origin)}}`;
}
