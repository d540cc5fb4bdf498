/**
 * Password hashes: Argon2id (RFC 9106) in PHC strings, `$argon2id$v=19$m=65536,t=3,p=1$<salt>$<hash>`.
 *
 * Passwords are brought into Unicode normalization form C first (RFC 8265 §4.2), so that the same key strokes on two
 * systems are the same password. Verifying computes on the calling thread: a running gateway does it on threads of its
 * own, {@link PasswordHasher}.
 */

import { argon2, argon2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { trimEnd } from '../../../lib/text/trim.ts';

/** What a hash costs. */
interface HashParameters {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/** A stored hash, read. */
export interface PasswordHash extends HashParameters {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** What new hashes cost: the memory and passes of RFC 9106 §4, second choice, in one lane; 64 MiB, some 150 ms. */
export const DEFAULT_PARAMETERS: HashParameters = { memoryKib: 65_536, passes: 3, lanes: 1 };

/** Longest password, in bytes of UTF-8. What is longer is refused before it is hashed. */
export const MAX_PASSWORD_BYTES = 1_024;

/** A stored hash decides what it costs to verify, within these bounds (OWASP Password Storage: 7 MiB is the least). */
const BOUNDS = { memoryKib: [7_168, 262_144], passes: [1, 16], lanes: [1, 16] } as const;
const SALT_BYTES = { least: 8, new: 16, most: 64 };
const HASH_BYTES = { least: 16, new: 32, most: 64 };

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{1,90})\$([A-Za-z0-9+/]{1,90})$/;

const within = (value: number, [least, most]: readonly [number, number]) => value >= least && value <= most;

/** Reads a PHC string; `null` for anything but Argon2id version 19 with parameters within bounds. */
export function readPasswordHash(phc: string): PasswordHash | null {
  const [, memory, passes, lanes, salt = '', hash = ''] = PHC.exec(phc) ?? [];
  const read: PasswordHash = {
    memoryKib: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
  const isWithinBounds =
    within(read.memoryKib, BOUNDS.memoryKib) &&
    within(read.passes, BOUNDS.passes) &&
    within(read.lanes, BOUNDS.lanes) &&
    within(read.salt.byteLength, [SALT_BYTES.least, SALT_BYTES.most]) &&
    within(read.hash.byteLength, [HASH_BYTES.least, HASH_BYTES.most]);
  return isWithinBounds ? read : null;
}

const argon2Async = promisify(argon2);
const unpadded = (bytes: Buffer) => trimEnd(bytes.toString('base64'), '=');

/** Hashes a new password, off the calling thread but at its priority: for the command line. */
export async function hashPassword(password: string, parameters = DEFAULT_PARAMETERS): Promise<string> {
  const salt = randomBytes(SALT_BYTES.new);
  const hash = await argon2Async('argon2id', argon2Parameters(password, parameters, salt, HASH_BYTES.new));
  const { memoryKib, passes, lanes } = parameters;
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Whether a password has this hash, compared in constant time. Computes on the calling thread, for as long as it takes. */
export function verifyPasswordSync(password: string, stored: PasswordHash): boolean {
  const parameters = argon2Parameters(password, stored, stored.salt, stored.hash.byteLength);
  return timingSafeEqual(argon2Sync('argon2id', parameters), stored.hash);
}

function argon2Parameters(password: string, cost: HashParameters, nonce: Buffer, tagLength: number) {
  return {
    message: password.normalize('NFC'),
    nonce,
    parallelism: cost.lanes,
    tagLength,
    memory: cost.memoryKib,
    passes: cost.passes,
  };
}
