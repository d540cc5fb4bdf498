/**
 * The form in which header names are compared where a different spelling must not make a difference: lower case, every
 * character that some server treats like `-` as `-`, without the `HTTP_` that CGI puts in front (RFC 3875 §4.1.18).
 */
export function foldHeaderName(name: string): string {
  const folded = name.toLowerCase().replace(/[^a-z0-9]/g, '-');
  return folded.startsWith('http-') ? folded.slice(5) : folded;
}
