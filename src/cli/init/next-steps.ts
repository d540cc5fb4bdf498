/** What to do with a first configuration: commands for a shell. */

import { join, relative } from 'node:path';
import type { Answers } from './answers.ts';
import { FILES, fileNames, listeningAddress } from './files.ts';

/** What `init` prints at the end. Each command is on a line of its own. */
export function nextSteps(directory: string, answers: Answers, cwd: string): string {
  const { origin, user, password, isPasswordGenerated } = answers;
  const inside = relative(cwd, directory);
  const place = /^\.\./.test(inside) ? directory : inside;
  const config = place === '' ? '' : ` --config ${quoted(join(place, FILES.config))}`;
  const names = fileNames(answers).map((name) => join(place, name));
  const login = `curl -i -c cookies.txt -H ${quoted(`Origin: ${origin}`)} --data-urlencode ${quoted(`username=${user}`)}`;
  const secret = isPasswordGenerated ? password : null;
  return [
    `Wrote ${names.slice(0, -1).join(', ')} and ${names.at(-1)}.`,
    ...(secret === null ? [] : [`The password of ${user} is ${secret}. It is not shown again.`]),
    '',
    'Start the gateway:',
    '',
    `  sallyport start${config}`,
    '',
    ...(origin.startsWith('https:') ? behindProxy(answers) : ['In another terminal:']),
    '',
    '  # Without a session, nobody gets in: 401',
    `  curl -i ${origin}/`,
    '',
    '  # Log in. The cookie stays between you and the gateway',
    secret === null
      ? `  read -rs PASSWORD; printf %s "$PASSWORD" | ${login} --data-urlencode password@- ${origin}/auth/login`
      : `  ${login} --data-urlencode ${quoted(`password=${secret}`)} ${origin}/auth/login`,
    '',
    '  # Call the application. It gets a token instead of the cookie',
    `  curl -i -b cookies.txt ${origin}/`,
    '',
  ].join('\n');
}

const behindProxy = (answers: Answers) => [
  `Let the proxy that terminates TLS forward ${answers.origin} to ${listeningAddress(answers)}, with X-Forwarded-Proto`,
  'and X-Forwarded-For. Then:',
];

/** Quotes a text as one word for a POSIX shell. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
