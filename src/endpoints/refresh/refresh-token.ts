/**
 * Refresh tokens: `<family id>.<generation>.<secret>`, the first and the last 32 bytes in base64url. The family's id is as
 * secret as the rest: only holders of a token of the family know it, so nobody else can be mistaken for a thief.
 *
 * A successor is derived from the token that it follows and a random seed. The store keeps the seed; without the token it
 * is worth nothing, and without the seed the token does not reveal its successor (docs/adr/0008-refresh-families.md).
 */

import { createHmac, hash, randomBytes } from 'node:crypto';
import type { PresentedRefreshToken } from '../../store/refresh-family.ts';

/** Two times 32 bytes in base64url, and a number between them. */
const TOKEN = /^([A-Za-z0-9_-]{43})\.(0|[1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})$/;
const SUCCESSOR = 'sallyport refresh token successor\n';

/** A refresh token as it was read. */
export interface RefreshToken extends PresentedRefreshToken {
  /** The token itself. Never logged. */
  readonly text: string;
  readonly familyId: string;
  /** SHA-256 of the family's id: under which the store has it. */
  readonly familyHandle: string;
}

const digestOf = (text: string): string => hash('sha256', text, 'base64url');

/** A seed for {@link successorOf}, or another secret: 256 bits from the system's generator. */
export const newSeed = (): string => randomBytes(32).toString('base64url');

/** The first token of a new family. */
export const newRefreshToken = (): RefreshToken => made(newSeed(), 0, newSeed());

/**
 * Reads a token.
 *
 * @param text  as presented, untrusted
 * @returns `null` for anything that has not exactly the form of a token: it is not looked up. Each token has one
 *   spelling: it is hashed as it was sent, not decoded (COK-15)
 */
export function parseRefreshToken(text: string): RefreshToken | null {
  const [, familyId, generation] = TOKEN.exec(text) ?? [];
  if (familyId === undefined || generation === undefined) return null;
  return tokenOf(text, familyId, Number(generation));
}

/** The token that follows this one with this seed: always the same. */
export function successorOf({ text, familyId, generation }: RefreshToken, seed: string): RefreshToken {
  const secret = createHmac('sha256', text).update(SUCCESSOR).update(seed).digest('base64url');
  return made(familyId, generation + 1, secret);
}

const made = (familyId: string, generation: number, secret: string): RefreshToken =>
  tokenOf(`${familyId}.${generation}.${secret}`, familyId, generation);

const tokenOf = (text: string, familyId: string, generation: number): RefreshToken => ({
  text,
  familyId,
  familyHandle: digestOf(familyId),
  generation,
  digest: digestOf(text),
});
