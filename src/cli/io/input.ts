/** Texts that commands are given: files and standard input. */

import { resolve } from 'node:path';
import { ConfigFault } from '../../errors.ts';
import type { CliInput, CliIo } from '../command.ts';

/** Longest standard input that is read, in bytes. */
const MAX_INPUT = 8 * 1024 * 1024;

/**
 * Reads a whole stream as UTF-8.
 *
 * @throws ConfigFault when it is longer than 8 MiB
 */
export async function readAll(stream: CliInput): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
    length += bytes.byteLength;
    if (length > MAX_INPUT) throw new ConfigFault('standard input is longer than 8 MiB');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * The text of a file; `-` is standard input.
 *
 * @throws ConfigFault when it cannot be read, is not UTF-8, or standard input is longer than 8 MiB
 */
export async function readInput(path: string, io: CliIo): Promise<string> {
  const { readConfigText } = await import('../../config/load.ts');
  return path === '-' ? readAll(io.stdin) : readConfigText(resolve(io.cwd, path), path);
}

/**
 * The first line of a stream, without its end. What follows it is lost.
 *
 * @param maxLength  in characters; of a longer line, the end is lost
 */
export async function readLine(stream: CliInput, maxLength: number): Promise<string> {
  let text = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.includes('\n') || text.length > maxLength) break;
  }
  return (text.split('\n', 1)[0] ?? '').replace(/\r$/, '');
}
