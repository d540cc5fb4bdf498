/** Challenges: the values of WWW-Authenticate (RFC 9110 §11.6.1). */

/**
 * Writes one challenge.
 *
 * @param parameters  names and values, in this order; the values are quoted as they are, so they must not contain `"` or `\`
 */
export function challenge(
  scheme: 'Basic' | 'Bearer' | 'Session',
  parameters: Readonly<Record<string, string>> = {},
): string {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return pairs.length === 0 ? scheme : `${scheme} ${pairs.join(', ')}`;
}
