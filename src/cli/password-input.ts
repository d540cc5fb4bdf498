/** Passwords from a terminal, without showing them, or from a pipe. */

import { ConfigFault } from '../errors.ts';
import type { CliInput, CliIo } from './command.ts';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACE = new Set(['\u0008', '\u007f']);
/** No password is longer. */
const MAX_LENGTH = 4_096;

/** The first line of a stream, without its end. */
export async function readLine(stream: CliInput): Promise<string> {
  let text = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.includes('\n') || text.length > MAX_LENGTH) break;
  }
  const [line = ''] = text.split('\n', 1);
  return line.replace(/\r$/, '');
}

/**
 * Asks for a line on a terminal that does not show it.
 *
 * @throws ConfigFault when the question is given up (Ctrl-C, Ctrl-D, end of input)
 */
export function readHiddenLine(question: string, { stdin, stderr }: CliIo): Promise<string> {
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
