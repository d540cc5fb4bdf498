/** The contents of a verified token, read once and frozen. */

import { issuerNames, type PresentedIssuer } from '../../../src/jwt/subject.ts';

/** A verified token. Its contents are the issuer's statements. */
export interface VerifiedToken {
  /** `iss`. */
  readonly issuer: string;
  /** `sub`: on whose behalf the call is made. Unique together with `presentedIssuers` only. */
  readonly subject: string;
  /**
   * `presented_iss`: empty for a user or a service of the gateway itself. Else the issuer whose subject it is; where that
   * passed on the subject of yet another, the nearest first. `alice` of another issuer is not your user `alice`.
   */
  readonly presentedIssuers: readonly string[];
  /** `aud`, as a list; one of them is this service. */
  readonly audiences: readonly string[];
  /** Who acts for the subject now (the outermost `act.sub`, RFC 8693 §4.1); `null`: the subject itself. */
  readonly actor: string | null;
  /** All actors for the subject, the present one first. Informational: only `actor` decides. */
  readonly actors: readonly string[];
  /** `act.iss` of each actor: empty for a service of the gateway itself, else as in `presentedIssuers`. */
  readonly actorIssuers: readonly (readonly string[])[];
  /** `sid`: handle of the session that the token stands for; `null` when there is none. */
  readonly sid: string | null;
  /** `scope`, split at its spaces. */
  readonly scopes: ReadonlySet<string>;
  /** `exp`, wall clock in milliseconds. */
  readonly expiresAtMs: number;
  /** Every claim, mapped ones included. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Reads claims that have been judged, the form of `act`, `scope` and `sid` included. */
export function readVerifiedToken(claims: Readonly<Record<string, unknown>>): VerifiedToken {
  const { iss, sub, aud, exp, sid = null, scope = '', act, presented_iss: passedOn } = claims;
  const chain = chainOf(act as Actor | undefined);
  const actors = chain.map((actor) => actor.sub);
  return Object.freeze({
    issuer: iss as string,
    subject: sub as string,
    presentedIssuers: Object.freeze([...issuerNames(passedOn)]),
    audiences: Object.freeze([aud].flat() as string[]),
    actor: actors[0] ?? null,
    actors: Object.freeze(actors),
    actorIssuers: Object.freeze(chain.map((actor) => Object.freeze([...issuerNames(actor.iss)]))),
    sid: sid as string | null,
    scopes: new Set((scope as string).split(' ').filter((name) => name !== '')),
    expiresAtMs: (exp as number) * 1_000,
    claims: Object.freeze(claims),
  });
}

/** RFC 8693 §4.1. */
interface Actor {
  readonly sub: string;
  readonly iss?: PresentedIssuer;
  readonly act?: Actor;
}

/** The chain of actors, outermost first. */
const chainOf = (act: Actor | undefined): Actor[] => (act === undefined ? [] : [act, ...chainOf(act.act)]);
