/** Tokens that are handed to commands. */

import { bearerToken } from '../../lib/http/bearer.ts';

/** A token as people paste it: with white space around it, with or without the Bearer scheme. */
export function withoutScheme(text: string): string {
  const trimmed = text.trim();
  return bearerToken(trimmed) ?? trimmed;
}
