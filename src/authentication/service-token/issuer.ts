/**
 * One issuer whose service tokens are accepted: its keys, and the rules that its tokens have to keep, as the
 * configuration has them.
 */

import { type KeySource, keySourceOf } from '../../config/schema/issuer.ts';
import type { IssuerConfig } from '../../config/schema.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import type { KeyRules } from '../../jwt/verification-keys.ts';
import type { LearntIssuer } from './cluster.ts';
import type { IssuerRules, TokenProfile } from './rules.ts';

export interface Issuer {
  /** Name in the configuration. */
  readonly name: string;
  readonly rules: IssuerRules;
  /** Its own keys: never another issuer's, whatever the `kid` (JWT-38). */
  readonly keys: KeySet;
  /** Where its `iss` is learnt from; `null` where `rules.issuer` has it, and where it is not looked at. */
  readonly learnt: LearntIssuer | null;
}

/** What an issuer's rules are when its configuration does not say. */
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
/** JWT-SVID §2.3. */
const SVID_TYPES = ['jwt', 'jose'];

/** The rules of an issuer, without its keys. */
export function issuerRules(config: IssuerConfig, defaults: IssuerDefaults): IssuerRules {
  const source = keySourceOf(config);
  const profile: TokenProfile = source === 'kubernetes' ? 'kubernetes' : source === 'spiffe' ? 'jwt-svid' : 'jwt';
  const { audience, authorizedParties } = config;
  const types = profile === 'jwt-svid' ? SVID_TYPES : config.types.map(bareType);
  return {
    profile,
    issuer: config.issuer ?? (source === 'own' ? defaults.own.issuer : null),
    trustDomain: config.spiffe?.trustDomain ?? null,
    algorithms: config.algorithms ?? algorithmsOf(source, defaults),
    audiences: audience === undefined ? defaults.audiences : [audience].flat(),
    types: new Set(types),
    authorizedParties: authorizedParties === undefined ? null : new Set(authorizedParties),
    maxLifetimeMs: config.maxLifetime,
    clockSkewMs: config.clockSkew,
  };
}

/** What an issuer's rules ask of its keys. */
export const keyRules = ({ algorithms, profile }: IssuerRules): KeyRules => ({
  algorithms,
  use: profile === 'jwt-svid' ? 'jwt-svid' : 'sig',
});

/** Where the configuration names none, the schema has seen to it that there is no question. */
function algorithmsOf(source: KeySource, { own }: IssuerDefaults): readonly string[] {
  if (source === 'kubernetes') return KUBERNETES_ALGORITHMS;
  if (source === 'spiffe') return SVID_ALGORITHMS;
  return source === 'own' ? [own.algorithm] : ['HS256'];
}

const bareType = (type: string) => type.toLowerCase().replace(/^application\//, '');
