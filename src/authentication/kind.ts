/**
 * What a kind of credential brings with it: how a route asks for it, how a request presents it, what a 401 says when it is
 * missing, and what the stages after authentication have to know. All of this is known before anything is opened; the
 * {@link CredentialVerifier} of the kind is what has been opened. The list of all kinds is in `kinds.ts`.
 */

import type { z } from 'zod';
import type { Denial, Reason } from '../errors.ts';
import type { NonEmpty } from '../lib/non-empty.ts';
import type { CredentialTraits, KnownPrincipal } from '../principal.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';

/**
 * A kind of credential: one frozen constant per kind.
 *
 * @typeParam A  what of the kind a route accepts
 */
export interface CredentialKind<A = unknown> extends CredentialTraits {
  /** For people, with its article: "a session cookie". */
  readonly noun: string;
  /** What carries it in a request, for people; `null` where nothing does. */
  readonly carrier: string | null;
  /** Whether that is the Authorization header, which a route can leave to the application behind it. */
  readonly isInAuthorization: boolean;
  /** Whether logging in with a browser supplies it, so that a person without one is sent to log in. */
  readonly comesFromLogin: boolean;
  /** Whether it is a token that can be passed on with `upstreamToken: original`. */
  readonly isToken: boolean;
  /** How a route asks for it in the configuration; `null` where none can. */
  readonly written: WrittenKind<A> | null;
  /** Whether a request presents one, valid or not. */
  isPresentedIn(request: ScreenedRequest): boolean;
}

/** How routes ask for a kind of credential. */
interface WrittenKind<A> {
  /** What `credential` may be. In a list of several kinds, the first form is the one to use. */
  readonly forms: NonEmpty<WrittenForm>;
  /** Compiles one of the forms; `null` when it is another kind's. */
  read(written: unknown): { readonly accepted: A; readonly isOptional: boolean } | null;
}

/** One form of `credential`. */
interface WrittenForm {
  /** As error messages show it. */
  readonly text: string;
  readonly schema: () => z.ZodType;
  /** For the JSON Schema; `null` where the schema itself has one. */
  readonly description: string | null;
}

/** What a route accepts of a kind. */
export interface Accepted {
  readonly kind: CredentialKind;
  /** For people: what a request has to present. */
  readonly words: string;
  /** The `WWW-Authenticate` value of a 401 for a reason; `null` for none. */
  challenge(reason: Reason): string | null;
}

/**
 * Verifies the credentials of one kind.
 *
 * @typeParam A  what of the kind a route accepts
 * @typeParam P  whom it authenticates
 */
export interface CredentialVerifier<A extends Accepted, P extends KnownPrincipal> {
  /**
   * Authenticates a request that presents a credential of the kind. Answers at once, without a promise, unless something
   * has to be fetched.
   *
   * @returns a principal, or a Denial that says what is wrong with the credential
   * @throws DependencyFault when a dependency does not answer, as a rejection or directly
   */
  authenticate(request: ScreenedRequest, accepted: A): P | Denial | Promise<P | Denial>;
  /**
   * Calls back once when the credential of a principal ends while a stream that it opened is open.
   *
   * @param use  how much the stream has been used; where the kind expires when idle, a stream in use keeps it alive
   * @returns stops watching; has to be called when the stream ends
   */
  watch(principal: P, onEnd: () => void, use: () => number): () => void;
}
