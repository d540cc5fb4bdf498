/** User codes (RFC 8628 §6.1): eight consonants, shown as two groups of four, so that they spell no words: 34 bits. */

import { randomInt } from 'node:crypto';

const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const LENGTH = 8;
const CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;
/** Longer input is not looked at. */
const MAX_TYPED_LENGTH = 64;

/** A new code, without a hyphen. */
export const newUserCode = (): string =>
  Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');

/** As it is shown: `BCDF-GHJK`. */
export const shownUserCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;

/**
 * The code that a person typed: in lower case, with or without hyphen and spaces.
 *
 * @returns `null` when it cannot be one
 */
export function readUserCode(typed: string): string | null {
  if (typed.length > MAX_TYPED_LENGTH) return null;
  const code = typed.replace(/[\s-]/g, '').toUpperCase();
  return CODE.test(code) ? code : null;
}
