/**
 * Reads the secret files that a configuration names. No other module knows their format.
 *
 * A secret is the whole file without one newline at its end, which editors and `echo` add. Messages name the file, never
 * its contents; the caller adds the key.
 */

import { ConfigFault } from '../../errors.ts';
import { errorCode } from '../../lib/error-code.ts';
import { readNamedFile } from './remembered-files.ts';

/** Shortest secret that a peer presents (a client secret, the admin token): 32 characters of base64 are 192 bits. */
export const MIN_SECRET_LENGTH = 32;
/** Shortest HS256 secret: as long as the hash (RFC 7518 §3.2). */
const MIN_HS256_BYTES = 32;

/**
 * Reads a secret that is text.
 *
 * @param minLength  in characters; default: it must not be empty
 * @throws ConfigFault when the file cannot be read, is not UTF-8 or is too short
 */
export async function readSecret(path: string, minLength = 1): Promise<string> {
  const secret = decoded(path, withoutNewline(await readBytes(path)));
  if (secret === '') throw new ConfigFault(`${path} is empty`);
  if (secret.length >= minLength) return secret;
  throw new ConfigFault(`${path} has a secret of fewer than ${minLength} characters`);
}

/**
 * Reads an HS256 secret, which may be any bytes.
 *
 * @throws ConfigFault when the file cannot be read, is too short (RFC 7518 §3.2), or holds another kind of key: anyone who
 *   knows a public key could sign with it (JWT-05, JWT-06)
 */
export async function readHs256Secret(path: string): Promise<Buffer> {
  const secret = withoutNewline(await readBytes(path));
  if (secret.byteLength < MIN_HS256_BYTES) {
    throw new ConfigFault(
      `${path} has ${secret.byteLength} bytes; HS256 needs at least ${MIN_HS256_BYTES} (RFC 7518 §3.2)`,
    );
  }
  if (/-----BEGIN |^\s*\{.*"kty"/s.test(secret.toString('latin1'))) {
    throw new ConfigFault(`${path} is a key of another kind (PEM or JWK), not a secret`);
  }
  return secret;
}

/**
 * Reads a token that another program writes, such as a projected ServiceAccount token. Trims white space; does not check
 * its form.
 *
 * @throws ConfigFault when the file cannot be read or is not UTF-8
 */
export async function readTokenFile(path: string): Promise<string> {
  return (await readText(path)).trim();
}

/**
 * Reads a file as UTF-8 text.
 *
 * @throws ConfigFault when it cannot be read or is not UTF-8
 */
export async function readText(path: string): Promise<string> {
  return decoded(path, await readBytes(path));
}

/**
 * Reads a file as JSON.
 *
 * @throws ConfigFault when it cannot be read or is not JSON
 */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigFault(`${path} is not JSON`, { cause });
  }
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readNamedFile(path);
  } catch (cause) {
    throw new ConfigFault(`${path} cannot be read (${errorCode(cause) ?? 'unknown error'})`, { cause });
  }
}

function decoded(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigFault(`${path} is not UTF-8 text`, { cause });
  }
}

function withoutNewline(bytes: Buffer): Buffer {
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? -2 : -1) : bytes.length;
  return bytes.subarray(0, end);
}
