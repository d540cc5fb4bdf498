/** Reads tokens that are handed to commands. */

import { resolve } from 'node:path';
import { bearerToken } from '../lib/bearer.ts';
import type { CliIo } from './command.ts';
import { readAll } from './configuration.ts';

/** A token as people paste it: with white space around it, with or without the Bearer scheme. */
export function withoutScheme(text: string): string {
  const trimmed = text.trim();
  return bearerToken(trimmed) ?? trimmed;
}

/**
 * The text of a file with a token; `-` is standard input.
 *
 * @throws ConfigFault when it cannot be read
 */
export async function readTokenInput(path: string, io: CliIo): Promise<string> {
  const { readConfigText } = await import('../config/load.ts');
  return path === '-' ? readAll(io.stdin) : readConfigText(resolve(io.cwd, path), path);
}
