/**
 * workload: the workload as a kind of credential: to call from this loopback. The containers of a Pod share it, and the
 * listener closes connections from elsewhere before it reads them. Only destinations of the outbound side ask for it.
 */

import { bearerChallenge } from '../../lib/http/challenge.ts';
import type { Accepted, CredentialKind } from '../kind.ts';

/** The workload is accepted, and a bearer token that it received where the destination exchanges one. */
export interface AcceptedWorkload extends Accepted {
  readonly kind: WorkloadKind;
  /** Whether a bearer token in the call is exchanged. It is not verified here: the authorization server does that. */
  readonly exchangesToken: boolean;
}

interface WorkloadKind extends CredentialKind<AcceptedWorkload> {
  readonly name: 'workload';
}

/** The kind. */
export const WORKLOAD: WorkloadKind = Object.freeze<WorkloadKind>({
  name: 'workload',
  noun: 'the workload',
  carrier: null,
  isInAuthorization: false,
  comesFromLogin: false,
  isToken: false,
  isAmbient: false,
  isUnknownToCaches: false,
  ending: null,
  written: null,
  isPresentedIn: () => true,
});

/** @param exchangesToken  whether the destination exchanges the token that the workload received */
export function acceptWorkload(exchangesToken: boolean): AcceptedWorkload {
  const words = 'to be the workload on this loopback';
  return Object.freeze<AcceptedWorkload>({
    kind: WORKLOAD,
    words: exchangesToken ? `${words}; a bearer token is exchanged` : words,
    exchangesToken,
    challenge: (reason) =>
      exchangesToken ? bearerChallenge(reason === 'token_invalid' ? 'invalid_token' : null) : null,
  });
}
