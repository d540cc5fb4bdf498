/**
 * The closed list of credential kinds, and the rule that says which of them a route accepts. A kind that is named here is
 * one that the authenticator must have a verifier for, or it does not compile.
 */

import type { NonEmpty } from '../lib/non-empty.ts';
import type { KnownPrincipal, ServicePrincipal, UserPrincipal } from '../principal.ts';
import type { CredentialVerifier } from './kind.ts';
import { type AcceptedServiceTokens, SERVICE_TOKEN } from './service-token/kind.ts';
import { type AcceptedSession, SESSION } from './session/kind.ts';
import { type AcceptedWorkload, WORKLOAD } from './workload/kind.ts';

/** By name: what of the kind a route accepts, and whom its verifier authenticates. */
export interface Kinds {
  readonly session: { readonly accepted: AcceptedSession; readonly principal: UserPrincipal };
  readonly service: { readonly accepted: AcceptedServiceTokens; readonly principal: KnownPrincipal };
  readonly workload: { readonly accepted: AcceptedWorkload; readonly principal: ServicePrincipal };
}

/** Every kind, in the order in which a list in the configuration names them. */
export const KINDS: { readonly [K in keyof Kinds]: Kinds[K]['accepted']['kind'] } = {
  session: SESSION,
  service: SERVICE_TOKEN,
  workload: WORKLOAD,
};

/** What of any kind a route accepts. */
export type AcceptedCredential = Kinds[keyof Kinds]['accepted'];

/**
 * Which credentials a route accepts. A request may present one of them, and not two. Only `public` admits a request
 * without looking; `optional` admits one that presents none, or one that does not hold.
 */
export type CredentialRule =
  | { readonly kind: 'public'; readonly accepts: readonly [] }
  | {
      readonly kind: 'required' | 'optional';
      readonly accepts: NonEmpty<AcceptedCredential>;
      /** The Authorization header is the application's: it is neither read nor a credential here. */
      readonly leavesAuthorization?: boolean;
    };

/** One verifier for every kind; `null` where a listener takes no credential of the kind, and so refuses it. */
export type Verifiers = {
  readonly [K in keyof Kinds]: CredentialVerifier<Kinds[K]['accepted'], Kinds[K]['principal']> | null;
};

/** For a listener that takes credentials of some kinds only: their verifiers replace the `null` here. */
export const NO_VERIFIERS = Object.fromEntries(Object.keys(KINDS).map((name) => [name, null])) as {
  readonly [K in keyof Kinds]: null;
};
