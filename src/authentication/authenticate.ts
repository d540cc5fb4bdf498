/**
 * authentication: at most one credential in, a principal out, or a Denial 400 or 401, or a fault 503.
 *
 * The route's rule says which kinds it accepts (`kinds.ts`); the verifier of a kind judges its credentials. Only a public
 * route is passed without looking. Answers at once, without a promise, when the credential is cached and trusted.
 */

import { Denial } from '../errors.ts';
import { ANONYMOUS, type KnownPrincipal, type OpenStream, type Principal } from '../principal.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import type { Accepted, CredentialKind, CredentialVerifier } from './kind.ts';
import { type CredentialRule, KINDS, type Kinds, type Verifiers } from './kinds.ts';

const MISSING = new Denial('credential_missing', 'no credential that the route accepts');

/** For the operator of an application with logins of its own. */
const LEAVE_AUTHORIZATION = 'where the header is meant for the application, set passAuthorization on the route';

const NOTHING_TO_STOP = () => {};

/** A kind with its verifier. */
interface Handled {
  readonly kind: CredentialKind;
  readonly verifier: CredentialVerifier<Accepted, KnownPrincipal>;
  /** What is answered when the next handled kind is presented as well, by the position of that kind. */
  readonly conflicts: readonly Denial[];
}

/** The stage, for one listener and one configuration. */
export class Authenticator {
  readonly #verifiers: Verifiers;
  readonly #onStreamEnded: (credential: string) => void;
  readonly #handled: readonly Handled[];

  /**
   * @param verifiers      by the name of their kind; where it is `null`, a credential of the kind is not looked at
   * @param onStreamEnded  called with the label of the kind when a stream is cut because its credential has ended
   */
  constructor(verifiers: Verifiers, onStreamEnded: (credential: string) => void = () => {}) {
    this.#verifiers = verifiers;
    this.#onStreamEnded = onStreamEnded;
    this.#handled = handledKinds(verifiers);
  }

  /** The same with other verifiers in the places of some. */
  with(verifiers: Partial<Verifiers>): Authenticator {
    return new Authenticator({ ...this.#verifiers, ...verifiers }, this.#onStreamEnded);
  }

  /**
   * Finds out who makes a request.
   *
   * @param rule  what the route accepts; on a public route, credentials are ignored
   * @returns a principal, or a Denial: `credential_conflict`, `credential_missing`, or what the verifier says
   * @throws DependencyFault when a dependency of the verifier does not answer, as a rejection or directly
   */
  authenticate(request: ScreenedRequest, rule: CredentialRule): Principal | Denial | Promise<Principal | Denial> {
    if (rule.kind === 'public') return ANONYMOUS;
    const presented = this.#presented(request, rule.leavesAuthorization === true);
    if (presented instanceof Denial) return presented;
    if (presented !== null) {
      for (const accepted of rule.accepts) {
        if (accepted.kind !== presented.kind) continue;
        const found = presented.verifier.authenticate(request, accepted);
        return rule.kind === 'optional' ? orAnonymous(found) : found;
      }
    }
    if (rule.kind === 'optional' && this.#handlesAll(rule.accepts)) return ANONYMOUS;
    return MISSING;
  }

  /**
   * Notifies a stream once when the credential that opened it ends.
   *
   * @returns stops watching; has to be called when the stream ends
   */
  watch(principal: KnownPrincipal, stream: OpenStream): () => void {
    const { ending } = principal.credential.kind;
    if (ending === null) return NOTHING_TO_STOP;
    const onEnd = () => {
      this.#onStreamEnded(ending.label);
      stream.credentialEnded(ending);
    };
    const handled = this.#handled.find(({ kind }) => kind === principal.credential.kind);
    if (handled === undefined) throw new TypeError('not a principal of this listener');
    return handled.verifier.watch(principal, onEnd, () => stream.use);
  }

  /** The one kind that a request presents; `null` for none; a Denial for two. */
  #presented(request: ScreenedRequest, leavesAuthorization: boolean): Handled | Denial | null {
    const handled = this.#handled;
    let presented: Handled | null = null;
    for (let index = 0; index < handled.length; index += 1) {
      const candidate = handled[index] as Handled;
      if ((leavesAuthorization && candidate.kind.isInAuthorization) || !candidate.kind.isPresentedIn(request)) continue;
      if (presented !== null) return presented.conflicts[index] as Denial;
      presented = candidate;
    }
    return presented;
  }

  /** A rule that names a kind without a verifier admits nobody. */
  #handlesAll(accepts: readonly Accepted[]): boolean {
    return accepts.every(({ kind }) => this.#handled.some((handled) => handled.kind === kind));
  }
}

function handledKinds(verifiers: Verifiers): readonly Handled[] {
  const names = Object.keys(KINDS) as (keyof Kinds)[];
  const present = names.filter((name) => verifiers[name] !== null).map((name) => KINDS[name] as CredentialKind);
  return present.map((kind) => ({
    kind,
    // What a rule accepts of a kind, and the principals of a kind, are its own: the kind of either is compared before.
    verifier: verifiers[kind.name as keyof Kinds] as CredentialVerifier<never, never> as CredentialVerifier<
      Accepted,
      KnownPrincipal
    >,
    conflicts: present.map(
      (other) =>
        new Denial(
          'credential_conflict',
          `${kind.carrier} and ${other.carrier} together${other.isInAuthorization ? `: ${LEAVE_AUTHORIZATION}` : ''}`,
        ),
    ),
  }));
}

/** Where a credential is optional, an invalid one counts as none. A store that does not answer is still a fault. */
function orAnonymous(found: Principal | Denial | Promise<Principal | Denial>): Principal | Promise<Principal> {
  if (found instanceof Promise) return found.then((value) => (value instanceof Denial ? ANONYMOUS : value));
  return found instanceof Denial ? ANONYMOUS : found;
}
