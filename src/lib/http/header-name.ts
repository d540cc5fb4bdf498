/**
 * The form in which header names are compared where spelling must not matter: lower case, with `-` for every character that
 * some server treats like `-`, without the `HTTP_` prefix of CGI (RFC 3875 §4.1.18).
 */
export function foldHeaderName(name: string): string {
  const folded = name.toLowerCase().replace(/[^a-z0-9]/g, '-');
  return folded.startsWith('http-') ? folded.slice(5) : folded;
}
