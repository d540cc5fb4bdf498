/**
 * Who calls, authenticated. Made only by `authentication/`; every later stage reads it, none changes it.
 *
 * What later stages ask about a principal or its credential is data here, so that none of them needs to know the kinds:
 * the few questions whose answer depends on the kind of principal are the exhaustive switches of this file.
 */

import type { Denial } from './errors.ts';
import type { CompactJws } from './jwt/compact.ts';
import type { SessionHandle, Sid } from './jwt/names.ts';
import { issuerNames, type PresentedIssuer } from './jwt/subject.ts';
import type { CompactToken } from './lib/http/bearer.ts';
import type { JSONType } from './lib/text/json.ts';
import type { ProviderLogin, SessionRecord } from './store/session-record.ts';

/** What the stages after authentication need to know about a kind of credential. */
export interface CredentialTraits {
  /** Name of the kind, unique among them. */
  readonly name: string;
  /** Whether browsers attach it to requests that other sites cause, so that unsafe requests need an origin check (CSRF). */
  readonly isAmbient: boolean;
  /**
   * Whether a shared cache might store an answer to a request that presents it. Caches treat the Authorization header as
   * a reason not to (RFC 9111 §3.5); they do not recognise anything else as a credential.
   */
  readonly isUnknownToCaches: boolean;
  /** How a stream is cut when the credential that opened it ends; `null` for a credential that does not end. */
  readonly ending: StreamEnding | null;
}

/** Something that lasts and was opened with a credential: a long upload or answer, a WebSocket. */
export interface OpenStream {
  /** Grows with what moves on it for the person or program at its end, and not with what moves by itself (ASVS 7.3.1). */
  readonly use: number;
  /** The credential has ended. Called at most once. */
  credentialEnded(ending: StreamEnding): void;
}

/** How a stream is cut when the credential that opened it ends. */
export interface StreamEnding {
  /** For the log, and for what has not been answered yet. */
  readonly denial: Denial;
  /** Reason of the WebSocket Close frame; at most 123 bytes (RFC 6455 §5.5). */
  readonly closeReason: string;
  /** Value of the label `credential` of `streams_ended_total`. */
  readonly label: string;
}

/** The credential by which a principal was authenticated. */
interface PrincipalCredential {
  readonly kind: CredentialTraits;
  /** When it ends unless it is revoked before; wall clock; `Infinity` when it has no end. */
  readonly endsAtMs: number;
  /** When streams that it opened end at the latest; wall clock; `Infinity` where only its revocation ends them. */
  readonly streamsEndAtMs: number;
  /** The issuer of the subject; `null` for this gateway. Together with the subject, it identifies the principal. */
  readonly presentedIssuer: PresentedIssuer | null;
  /** Handle of the gateway's own session that it names; `null` for none, and for sessions of other issuers. */
  readonly sid: Sid | null;
  /** The token itself, for `upstreamToken: original` and for an exchange; `null` where it is not a token. Never logged. */
  readonly compact: CompactToken | null;
  /** What the token says, by which it can be revoked; `null` where it is not a token, or was not verified. */
  readonly claims: Readonly<Record<string, unknown>> | null;
}

/** The `act` claim (RFC 8693 §4.1): who acts now, and inside it who acted before. */
export interface Actor {
  readonly sub: string;
  /** The issuer of `sub`; left out for this gateway. */
  readonly iss?: PresentedIssuer;
  readonly act?: Actor;
}

interface IdentifiedPrincipal {
  readonly subject: string;
  /**
   * What the subject is to the issuer that vouches for it: a service; a user, who has a session there; or something that it
   * passed on from yet another issuer. A name of one sort is never taken for the same name of another (RFC 9700 §4.15).
   */
  readonly standsFor: 'service' | 'user' | 'other';
  /** That issuer, by its name in the configuration; `null` for a user of this gateway. */
  readonly issuer: string | null;
  readonly roles: ReadonlySet<string>;
  readonly scopes: ReadonlySet<string>;
  /** What was said about the subject: attributes of the user, verified claims of the token. */
  readonly claims: Readonly<Record<string, JSONType>>;
  /** Who acts for the subject, the whole chain; `null` when the subject itself does. */
  readonly act: Actor | null;
  /** `namespace/name` of its Kubernetes ServiceAccount; `null` unless a cluster vouches for it. */
  readonly serviceAccount: string | null;
  readonly credential: PrincipalCredential;
  /** Upstream tokens by audience, reused until they near their end. Kept for as long as the principal is. */
  readonly tokens: Map<string, ReusableToken>;
}

/** A person with a session: presented by its cookie, or by a token of this gateway that names it. */
export interface UserPrincipal extends IdentifiedPrincipal {
  readonly kind: 'user';
  readonly standsFor: 'user';
  readonly issuer: null;
  readonly session: SessionRecord;
  /** Of a login at an identity provider; `null` for others. The same for as long as the session is cached. */
  readonly standing: ProviderStanding | null;
}

/**
 * How a session stands with the identity provider that has opened it, as far as this process knows. It changes: each answer of
 * the provider is noted here, for the next request. Times are monotonic.
 */
export interface ProviderStanding {
  /** The session id, which opens its tokens; `null` before it is known. Never logged. */
  sessionId: string | null;
  /** By which settings it was noted; compared by identity. `null` before anything is known. */
  noted: object | null;
  /** Until then, requests continue without a look at the rest. */
  quietUntilMs: number;
  /** When the provider has to be asked again. */
  dueAtMs: number;
  /** From when on requests wait for its answer. */
  waitFromMs: number;
  /** What is under way for it. */
  work: Promise<Denial | null> | null;
  /** The access token that routes send; `null` while none is known. */
  access: HeldAccessToken | null;
}

/** An access token of an identity provider, opened. */
interface HeldAccessToken {
  /** The provider; compared by identity. */
  readonly of: object;
  /** `null` where none is available for now. */
  readonly token: CompactToken | null;
  /** Wall clock. */
  readonly untilMs: number;
}

/** The standing of a session of which nothing is known yet. */
export const unknownStanding = (): ProviderStanding => ({
  sessionId: null,
  noted: null,
  quietUntilMs: 0,
  dueAtMs: 0,
  waitFromMs: 0,
  work: null,
  access: null,
});

/** A program with a credential of its own, or with one that stands for a subject of another issuer. */
export interface ServicePrincipal extends IdentifiedPrincipal {
  readonly kind: 'service';
  readonly issuer: string;
  /** The issuer by the name that it has in tokens. */
  readonly tokenIssuer: string;
  /** The session that a token of our own stands for; `null` for none, and in tokens of others. */
  readonly session: SessionHandle | null;
}

/** Nobody: a public route, or a route where a credential is optional and none was presented. */
interface AnonymousPrincipal {
  readonly kind: 'anonymous';
  readonly subject: null;
  readonly credential: null;
}

/** A principal that has presented a credential. */
export type KnownPrincipal = UserPrincipal | ServicePrincipal;

/** Who makes a request. `credential` is `null` for nobody, and only then. */
export type Principal = KnownPrincipal | AnonymousPrincipal;

/** An upstream token that can be sent again. */
export interface ReusableToken {
  readonly compact: CompactJws;
  /** `kid` of the key that signed it. */
  readonly kid: string;
  /** The settings by which it was made; compared by identity. */
  readonly settings: object;
  /** Not sent before this, when the clock was set back after it was made, and not after that; wall clock. */
  readonly reuseFromMs: number;
  readonly reuseUntilMs: number;
  /** The claims by which it may be revoked. */
  readonly identity: Readonly<Record<string, unknown>>;
}

/** How and when a principal last authenticated (OpenID Connect Core §2). */
export interface Authentication {
  /** Wall clock; `null` when nothing says. */
  readonly authTimeMs: number | null;
  /** The authentication context class; `null` when nothing says. */
  readonly acr: string | null;
  /** The means (RFC 8176); empty when nothing says. */
  readonly amr: readonly string[];
}

/** Claim name → source on the principal, or a constant. */
export type ClaimMapping = Readonly<Record<string, string | { readonly value: JSONType }>>;

/** The one anonymous principal. */
export const ANONYMOUS: AnonymousPrincipal = Object.freeze({ kind: 'anonymous', subject: null, credential: null });

/** The value that a claim mapping or an identity header names; `undefined` when there is none. */
export function principalValue(principal: Principal, source: string): JSONType | undefined {
  if (principal.kind === 'anonymous') return undefined;
  if (source === 'subject') return principal.subject;
  if (source === 'issuer') return issuerText(principal.credential.presentedIssuer);
  if (source === 'actor') return principal.act?.sub;
  if (source === 'actor.issuer') return issuerText(principal.act?.iss);
  switch (principal.kind) {
    case 'user':
      if (source === 'session.method') return principal.session.method;
      if (source === 'session.createdAt') return Math.floor(principal.session.createdAtMs / 1_000);
      return source.startsWith('user.') ? claimOf(principal, source.slice('user.'.length)) : undefined;
    case 'service':
      return source.startsWith('token.') ? claimOf(principal, source.slice('token.'.length)) : undefined;
    default:
      return principal satisfies never;
  }
}

/** The nearest issuer first, as in `presented_iss`; `undefined` for this gateway. */
const issuerText = (issuer: PresentedIssuer | null | undefined): string | undefined =>
  issuer == null ? undefined : issuerNames(issuer).join(' ');

/**
 * How a principal authenticated: for a user by the login that opened the session, for a service by the claims of its token
 * (RFC 9068 §2.2.1). A trusted backend does not say when or how its users authenticated, and a claim of another form than the
 * specification has says nothing.
 */
export function authenticationOf(principal: KnownPrincipal): Authentication {
  if (principal.kind === 'user') {
    const { login, method, createdAtMs } = principal.session;
    if (login !== null) return login;
    return method === 'password' ? { authTimeMs: createdAtMs, acr: null, amr: ['pwd'] } : NO_AUTHENTICATION;
  }
  const [authTime, acr, amr] = ['auth_time', 'acr', 'amr'].map((name) => claimOf(principal, name));
  return {
    authTimeMs: typeof authTime === 'number' && Number.isFinite(authTime) ? authTime * 1_000 : null,
    acr: typeof acr === 'string' ? acr : null,
    amr: Array.isArray(amr) ? [...stringSet(amr)] : [],
  };
}

const NO_AUTHENTICATION: Authentication = Object.freeze({ authTimeMs: null, acr: null, amr: [] });

/** What an identity provider said about the login of a user; `null` for other principals. */
export const loginAtProvider = (principal: Principal): ProviderLogin | null =>
  principal.kind === 'user' ? principal.session.login : null;

/** A user whose session an identity provider has opened; `null` for other principals. */
export const userAtProvider = (principal: Principal): UserPrincipal | null =>
  principal.kind === 'user' && principal.session.login !== null ? principal : null;

/** When the session of a user began, wall clock; `null` for other principals, and for none. */
export const sessionSinceMs = (principal: Principal | null): number | null =>
  principal?.kind === 'user' ? principal.session.createdAtMs : null;

/** What an identity provider said about the login of a user, as claims of a token; none for other principals. */
export function loginClaims(principal: KnownPrincipal): Record<string, JSONType> {
  const login = loginAtProvider(principal);
  if (login === null) return {};
  const { authTimeMs, acr, amr } = login;
  return {
    ...(authTimeMs !== null && { auth_time: Math.floor(authTimeMs / 1_000) }),
    ...(acr !== null && { acr }),
    ...(amr.length > 0 && { amr: [...amr] }),
  };
}

/** An attribute of the user or a claim of the token, by its own name; `undefined` when there is none (JWT-17). */
export function claimOf({ claims }: KnownPrincipal, name: string): JSONType | undefined {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/**
 * What a principal is, as far as its upstream tokens depend on it: two principals with equal keys get equal tokens. The
 * credential is part of it: a token may have fewer scopes than its user, and actors. A list, because only the parts can be
 * told apart whatever they contain (SES-15).
 */
export const principalKey = ({ issuer, subject, claims, credential }: KnownPrincipal): readonly JSONType[] => [
  credential.kind.name,
  issuer,
  subject,
  credential.sid,
  credential.compact,
  claims,
];

/** The claims that a mapping names. A source without a value is left out. */
export function mappedClaims(principal: Principal, mapping: ClaimMapping): Record<string, JSONType> {
  const claims: Record<string, JSONType> = {};
  for (const [name, source] of Object.entries(mapping)) {
    const value = typeof source === 'string' ? principalValue(principal, source) : source.value;
    if (value !== undefined) claims[name] = value;
  }
  return claims;
}

/** The strings in a value that is a string or a list of strings; nothing else counts. */
export function stringSet(value: JSONType | undefined): ReadonlySet<string> {
  if (typeof value === 'string') return new Set([value]);
  if (!Array.isArray(value)) return new Set();
  return new Set(value.filter((item) => typeof item === 'string'));
}
