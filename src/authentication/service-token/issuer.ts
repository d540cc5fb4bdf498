/** One issuer whose service tokens are accepted: its keys, and the rules for its tokens, compiled from the configuration. */

import { MAX_SUBJECT_LENGTH } from '../../jwt/claims.ts';
import type { DecodedToken } from '../../jwt/compact.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import {
  jwtSvidProfile,
  kubernetesTokenProfile,
  SERVICE_ACCOUNT_SUBJECT,
  type ServiceTokenProfile,
  serviceTokenProfile,
} from '../../jwt/profiles.ts';
import type { KeyRules } from '../../jwt/verification-keys.ts';
import type { LearntIssuer } from './cluster.ts';
import { type IssuerConfig, type KeySource, keySourceOf } from './section.ts';

/** The kind of an issuer: the form of its tokens, and how they are recognised. */
type IssuerKind = 'own' | 'jwt' | 'kubernetes' | 'jwt-svid';

/** The rules for the tokens of one issuer. */
export interface IssuerRules {
  readonly kind: IssuerKind;
  /** SPIFFE trust domain; `null` except for `jwt-svid`. */
  readonly trustDomain: string | null;
  /** `iss` of the gateway's own tokens: only tokens with this `iss` are about its own subjects. */
  readonly ourIssuer: string;
  /** Its `issuer` is `null` where it is learnt from the cluster, and for JWT-SVIDs, which their `sub` identifies. */
  readonly profile: ServiceTokenProfile;
  /** How long after its `exp` a stream that a token opened may last; `Infinity` for as long as it likes. */
  readonly streamLeewayMs: number;
}

/** An issuer whose service tokens are accepted. */
export interface Issuer {
  /** Name in the configuration. */
  readonly name: string;
  readonly rules: IssuerRules;
  /** Its own keys: never another issuer's, whatever the `kid` (JWT-38). */
  readonly keys: KeySet;
  /** Where its `iss` is learnt from; `null` where the profile has it, and where it is not looked at. */
  readonly learnt: LearntIssuer | null;
}

/** The rules of an issuer where its configuration does not say. */
export interface IssuerDefaults {
  /** Who we are: every public origin. */
  readonly audiences: readonly string[];
  /** `iss` and algorithm of our own tokens. */
  readonly own: { readonly issuer: string; readonly algorithm: string };
}

/** What the API server signs with, by the type of its key. */
const KUBERNETES_ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512'];
/** JWT-SVID §2.1. */
const SVID_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];

const PROFILES = {
  own: serviceTokenProfile,
  jwt: serviceTokenProfile,
  kubernetes: kubernetesTokenProfile,
  'jwt-svid': jwtSvidProfile,
} as const;
const KINDS: Readonly<Partial<Record<KeySource, IssuerKind>>> = {
  own: 'own',
  kubernetes: 'kubernetes',
  spiffe: 'jwt-svid',
};

/** A SPIFFE ID (SPIFFE-ID §2): trust domain, then a path of segments that are neither empty nor dots. */
const SPIFFE_ID = /^spiffe:\/\/(?<trustDomain>[a-z0-9._-]{1,255})(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;

/** The rules of an issuer, without its keys. */
export function issuerRules(config: IssuerConfig, defaults: IssuerDefaults): IssuerRules {
  const source = keySourceOf(config);
  const kind = KINDS[source] ?? 'jwt';
  const { audience, authorizedParties = null, types, maxLifetime: maxLifetimeMs, clockSkew: clockSkewMs } = config;
  return {
    kind,
    trustDomain: config.spiffe?.trustDomain ?? null,
    ourIssuer: defaults.own.issuer,
    streamLeewayMs: config.streamsOutliveToken ? Number.POSITIVE_INFINITY : clockSkewMs,
    profile: PROFILES[kind]({
      issuer: config.issuer ?? (source === 'own' ? defaults.own.issuer : null),
      algorithms: source === 'own' ? [defaults.own.algorithm] : keyRules(config).algorithms,
      audiences: audience === undefined ? defaults.audiences : [audience].flat(),
      types,
      authorizedParties,
      maxLifetimeMs,
      clockSkewMs,
    }),
  };
}

/**
 * What an issuer asks of its keys. The schema guarantees that `algorithms` is set wherever it cannot be inferred. Not for
 * `own`, whose keys are the gateway's.
 */
export function keyRules({ algorithms, kubernetes, spiffe }: IssuerConfig): KeyRules {
  const inferred =
    kubernetes !== undefined ? KUBERNETES_ALGORITHMS : spiffe !== undefined ? SVID_ALGORITHMS : ['HS256'];
  return { algorithms: algorithms ?? inferred, use: spiffe === undefined ? 'sig' : 'jwt-svid' };
}

/**
 * Whether a token claims to be one of this issuer's. Nothing is verified: this only selects the keys and rules that judge it.
 *
 * @param learnt  says which `iss` it has, where the profile has none
 */
export function claimsToBeOf(
  { payload: { iss, sub } }: DecodedToken,
  { trustDomain, profile }: IssuerRules,
  learnt: LearntIssuer | null,
): boolean {
  if (trustDomain !== null) return spiffeTrustDomain(sub) === trustDomain;
  return profile.issuer === null ? learnt?.knows(iss) === true : iss === profile.issuer;
}

/** `namespace/name` of the ServiceAccount that a subject names; `null` when it names none. */
export function serviceAccountOf(subject: string): string | null {
  const groups = SERVICE_ACCOUNT_SUBJECT.exec(subject)?.groups;
  return groups === undefined ? null : `${groups['namespace']}/${groups['name']}`;
}

const spiffeTrustDomain = (subject: unknown): string | undefined =>
  typeof subject === 'string' && subject.length <= MAX_SUBJECT_LENGTH
    ? SPIFFE_ID.exec(subject)?.groups?.['trustDomain']
    : undefined;
