/**
 * Who calls, authenticated. Made only by `authentication/`; every later stage reads it, none changes it.
 */

import type { JSONType } from './lib/json.ts';
import type { SessionRecord } from './store/session-record.ts';

/** A person with a session. */
export interface UserPrincipal {
  readonly kind: 'user';
  readonly subject: string;
  readonly roles: ReadonlySet<string>;
  readonly scopes: ReadonlySet<string>;
  readonly session: SessionRecord;
  /** Upstream tokens by audience, reused until they near their end. Gone with the session's place in the cache. */
  readonly tokens: Map<string, ReusableToken>;
}

/** A workload with a service token. */
export interface ServicePrincipal {
  readonly kind: 'service';
  /** Name of the issuer in the configuration. */
  readonly issuer: string;
  readonly subject: string;
  readonly roles: ReadonlySet<string>;
  readonly scopes: ReadonlySet<string>;
  /** Who acts for the subject now: `sub` of the outermost `act` (RFC 8693 §4.1); `null` when the subject itself does. */
  readonly actor: string | null;
  /** `namespace/name` of its Kubernetes ServiceAccount; `null` unless the issuer is the cluster. */
  readonly serviceAccount: string | null;
  /** The verified claims. */
  readonly claims: Readonly<Record<string, JSONType>>;
  /** The token as it was presented, compact: for `upstreamToken: original`. Never logged. */
  readonly credential: string;
  readonly tokens: Map<string, ReusableToken>;
}

/** Nobody: a public route, or a route where a session is optional and there is none. */
export interface AnonymousPrincipal {
  readonly kind: 'anonymous';
}

export type Principal = UserPrincipal | ServicePrincipal | AnonymousPrincipal;

/** An upstream token that can be sent again. */
export interface ReusableToken {
  readonly compact: string;
  /** `kid` of the key that signed it. */
  readonly kid: string;
  /** The settings by which it was made; compared by identity. */
  readonly settings: object;
  /** Not sent after this; wall clock. */
  readonly reuseUntilMs: number;
  /** The claims by which it may be revoked. */
  readonly identity: Readonly<Record<string, unknown>>;
}

/** Claim name → source on the principal, or a constant. */
export type ClaimMapping = Readonly<Record<string, string | { readonly value: JSONType }>>;

/** The one anonymous principal. */
export const ANONYMOUS: AnonymousPrincipal = Object.freeze({ kind: 'anonymous' });

/** The value that a claim mapping, an identity header or an `allow` rule names; `undefined` when there is none. */
export function principalValue(principal: Principal, source: string): JSONType | undefined {
  if (principal.kind === 'anonymous') return undefined;
  if (source === 'subject') return principal.subject;
  if (source === 'actor') return principal.kind === 'service' ? (principal.actor ?? undefined) : undefined;
  const dot = source.indexOf('.');
  const kind = source.slice(0, dot);
  const name = source.slice(dot + 1);
  if (principal.kind === 'service') return kind === 'token' ? own(principal.claims, name) : undefined;
  if (kind === 'user') return own(principal.session.user, name);
  if (source === 'session.method') return principal.session.method;
  if (source === 'session.createdAt') return Math.floor(principal.session.createdAtMs / 1_000);
  return undefined;
}

/** The claims that a mapping asks for: name → source on the principal, or a constant. What has no value is left out. */
export function mappedClaims(principal: Principal, mapping: ClaimMapping): Record<string, JSONType> {
  const claims: Record<string, JSONType> = {};
  for (const [name, source] of Object.entries(mapping)) {
    const value = typeof source === 'string' ? principalValue(principal, source) : source.value;
    if (value !== undefined) claims[name] = value;
  }
  return claims;
}

/** An own property, so that `__proto__` and `constructor` name nothing (JWT-17). */
const own = (object: Readonly<Record<string, JSONType>>, name: string): JSONType | undefined =>
  Object.hasOwn(object, name) ? object[name] : undefined;

/** The strings in a value that is a string or a list of strings; nothing else counts. */
export function stringSet(value: JSONType | undefined): ReadonlySet<string> {
  if (typeof value === 'string') return new Set([value]);
  if (!Array.isArray(value)) return new Set();
  return new Set(value.filter((item) => typeof item === 'string'));
}
