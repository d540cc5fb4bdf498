/** What a verified token says, read once and frozen. */

/** A token that was verified. Everything in it is the issuer's word. */
export interface VerifiedToken {
  /** `iss`. */
  readonly issuer: string;
  /** `sub`: on whose behalf the call is made. */
  readonly subject: string;
  /** `aud`, as a list; one of them is this service. */
  readonly audiences: readonly string[];
  /** Who acts for the subject now (the outermost `act.sub`, RFC 8693 §4.1); `null`: the subject itself. */
  readonly actor: string | null;
  /** Everybody who has acted for the subject, the present one first. For the record: only `actor` decides. */
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

/**
 * Reads claims whose `iss`, `sub`, `aud` and `exp` have been judged.
 *
 * @returns `null` when `act`, `scope` or `sid` has the wrong form: a claim that cannot be read is
 *          not taken for one that is absent
 */
export function readVerifiedToken(claims: Readonly<Record<string, unknown>>): VerifiedToken | null {
  const { iss, sub, aud, exp, sid = null, scope = '' } = claims;
  const actors = readActors(claims['act']);
  if (actors === null || typeof scope !== 'string' || (sid !== null && typeof sid !== 'string')) return null;
  return Object.freeze({
    issuer: iss as string,
    subject: sub as string,
    audiences: Object.freeze([aud].flat() as string[]),
    actor: actors[0] ?? null,
    actors: Object.freeze(actors),
    sid,
    scopes: new Set(scope.split(' ').filter((name) => name !== '')),
    expiresAtMs: (exp as number) * 1_000,
    claims: Object.freeze(claims),
  });
}

/** The chain of `act` claims, outermost first. How deep it can be is bounded by the form of the token (JWT-39). */
function readActors(act: unknown): string[] | null {
  if (act === undefined) return [];
  if (typeof act !== 'object' || act === null || Array.isArray(act)) return null;
  const { sub, act: before } = act as Readonly<Record<string, unknown>>;
  if (typeof sub !== 'string' || sub === '') return null;
  const rest = readActors(before);
  return rest === null ? null : [sub, ...rest];
}
