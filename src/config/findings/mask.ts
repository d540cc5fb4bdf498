/** Masks secrets in text of unknown structure: a line that is shown with a finding, a URL. */

/** Replaces the passwords of URLs in a text. Takes linear time for any text. */
export function replaceUrlPasswords(text: string, replacement: (password: string) => string): string {
  return text.replace(/[^\s"']+/g, (word) => {
    const end = word.lastIndexOf('@');
    const user = /:\/\/[^:@/]*:/.exec(word);
    if (user === null) return word;
    const start = user.index + user[0].length;
    return start < end ? `${word.slice(0, start)}${replacement(word.slice(start, end))}${word.slice(end)}` : word;
  });
}

/** Matches the likely secret under a key of that name, even where the text is too malformed to parse. */
const SECRET_PAIR =
  /((?:passw(?:or)?d|passphrase|secret|api[_-]?key|private[_-]?key|access[_-]?token)["']?\s*:\s*)(?!\$\{|[{[&*])([^\s#,}]+(?:[^\S\n]+[^\s#,}]+)*)/gi;

/** Replaces everything in a line of a configuration that looks like a secret by as many stars. */
export function maskLine(line: string): string {
  const stars = (secret: string) => '*'.repeat(secret.length);
  return replaceUrlPasswords(line, stars).replace(
    SECRET_PAIR,
    (_whole: string, before: string, secret: string) => `${before}${stars(secret)}`,
  );
}
