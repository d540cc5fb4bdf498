/** The contents of a verified token, read once and frozen. */

/** A verified token. Its contents are the issuer's statements. */
export interface VerifiedToken {
  /** `iss`. */
  readonly issuer: string;
  /** `sub`: on whose behalf the call is made. */
  readonly subject: string;
  /** `aud`, as a list; one of them is this service. */
  readonly audiences: readonly string[];
  /** Who acts for the subject now (the outermost `act.sub`, RFC 8693 §4.1); `null`: the subject itself. */
  readonly actor: string | null;
  /** All actors for the subject, the present one first. Informational: only `actor` decides. */
  readonly actors: readonly string[];
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
  const { iss, sub, aud, exp, sid = null, scope = '', act } = claims;
  const actors = actorsOf(act as Actor | undefined);
  return Object.freeze({
    issuer: iss as string,
    subject: sub as string,
    audiences: Object.freeze([aud].flat() as string[]),
    actor: actors[0] ?? null,
    actors: Object.freeze(actors),
    sid: sid as string | null,
    scopes: new Set((scope as string).split(' ').filter((name) => name !== '')),
    expiresAtMs: (exp as number) * 1_000,
    claims: Object.freeze(claims),
  });
}

/** RFC 8693 §4.1. */
interface Actor {
  readonly sub: string;
  readonly act?: Actor;
}

/** The chain of actors, outermost first. */
const actorsOf = (act: Actor | undefined): string[] => (act === undefined ? [] : [act.sub, ...actorsOf(act.act)]);
