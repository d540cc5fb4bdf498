/**
 * Who vouches for a subject. A subject is unique within its issuer only (RFC 7519 §4.1.2), so it is known by both
 * names (ASVS 10.3.3): our `alice` and another issuer's are two people.
 *
 * In our own tokens, `iss` is always ours. The issuer of a subject that is not ours is in `presented_iss`, and that of
 * such an actor in its `act.iss`. Where that issuer itself passed on the subject of another, as a second gateway does,
 * `presented_iss` is the list of both, the one that we heard it from first: nobody is believed about another's
 * subjects.
 */

/** The issuer of a subject that is not ours: one name, or several where it was passed on, the nearest first. */
export type PresentedIssuer = string | readonly string[];

/**
 * The issuer of the subject or of an actor (RFC 8693 §4.1) of a verified token, as our own tokens state it.
 *
 * @param stated       `presented_iss`, or `act.iss`; where it is absent, the issuer of the token
 * @param tokenIssuer  `iss` of the token, where that was verified
 * @param ours         our `iss`
 * @returns `null` when the subject or actor is ours
 */
export function subjectIssuer(stated: unknown, tokenIssuer: string, ours: string): PresentedIssuer | null {
  const passedOn = stated === tokenIssuer ? NO_NAMES : issuerNames(stated);
  const names = tokenIssuer === ours ? passedOn : [tokenIssuer, ...passedOn];
  const [only] = names;
  return only === undefined ? null : names.length === 1 ? only : names;
}

/**
 * Whether an issuer vouches for a subject or an actor of a token: for one that was passed on, each issuer that passed
 * it on does.
 *
 * @param stated       `presented_iss`, or `act.iss`
 * @param tokenIssuer  `iss` of the token, which vouches for it where nothing is stated
 */
export function isWordOf(issuer: string, stated: unknown, tokenIssuer: unknown): boolean {
  const names = issuerNames(stated);
  return names.length === 0 ? issuer === tokenIssuer : names.includes(issuer);
}

/** The names in `presented_iss` or `act.iss`; none where it is absent, or neither a name nor a list of names. */
export function issuerNames(stated: unknown): readonly string[] {
  if (stated === undefined) return NO_NAMES;
  const names = [stated].flat();
  return names.every((name) => typeof name === 'string' && name !== '') ? (names as string[]) : NO_NAMES;
}

const NO_NAMES: readonly string[] = [];
