/** Passwords from a terminal, without showing them, or from a pipe. */

import { ConfigFault } from '../../errors.ts';
import type { CliIo } from '../command.ts';
import { readLine } from './input.ts';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACE = new Set(['\u0008', '\u007f']);
/** No password is longer. */
const MAX_LENGTH = 4_096;

/**
 * Asks for a line on a terminal that does not show it.
 *
 * @throws ConfigFault when the question is given up (Ctrl-C, Ctrl-D, end of input)
 */
function readHiddenLine(question: string, { stdin, stderr }: CliIo): Promise<string> {
  stderr.write(question);
  stdin.setEncoding('utf8');
  stdin.setRawMode?.(true);
  return new Promise((resolve, reject) => {
    let line = '';
    const finish = (settle: () => void) => {
      stdin.off('data', onData).off('end', onEnd);
      stdin.setRawMode?.(false);
      stdin.pause();
      stderr.write('\n');
      settle();
    };
    const onEnd = () => finish(() => reject(new ConfigFault('no password was given')));
    const onData = (chunk: string) => {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') return finish(() => resolve(line));
        if (character === CTRL_C || character === CTRL_D) return onEnd();
        if (BACKSPACE.has(character)) line = [...line].slice(0, -1).join('');
        else if (line.length < MAX_LENGTH) line += character;
      }
    };
    stdin.on('data', onData).on('end', onEnd).resume();
  });
}

/** Shortest password that is accepted (NIST SP 800-63B-4 §3.1.1.2, where it is not the only factor: 8). */
const MIN_PASSWORD_LENGTH = 8;

/**
 * Asks twice on a terminal, and again until the answer can be used; else takes the first line of standard input.
 *
 * @param mayBeEmpty  an empty password is an answer, too; anything else must be one that is accepted
 * @throws ConfigFault when the questions are given up, or a line of standard input is too short or too long
 */
export async function readNewPassword(io: CliIo, mayBeEmpty = false): Promise<string> {
  if (io.stdin.isTTY !== true) {
    const password = await readLine(io.stdin, MAX_LENGTH);
    const problem = mayBeEmpty && password === '' ? null : await problemOf(password);
    if (problem !== null) throw new ConfigFault(problem);
    return password;
  }
  for (;;) {
    const password = await readHiddenLine('Password: ', io);
    if (password === '' && mayBeEmpty) return '';
    const problem =
      (await problemOf(password)) ??
      ((await readHiddenLine('Password again: ', io)) === password ? null : 'the passwords differ');
    if (problem === null) return password;
    io.stderr.write(`${problem}\n`);
  }
}

async function problemOf(password: string): Promise<string | null> {
  const { MAX_PASSWORD_BYTES } = await import('../../endpoints/login/password/hash.ts');
  if ([...password].length < MIN_PASSWORD_LENGTH) return `a password needs at least ${MIN_PASSWORD_LENGTH} characters`;
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES)
    return `a password can have at most ${MAX_PASSWORD_BYTES} bytes`;
  return null;
}
