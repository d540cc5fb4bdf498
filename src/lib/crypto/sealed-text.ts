/**
 * Text that only the holder of a secret can read or change: AES-256-GCM under a key derived from the secret by HKDF with SHA-256
 * (RFC 5869). For secrets of 256 random bits, not for passwords.
 */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

const keyOf = (secret: string, purpose: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, '', `sallyport ${purpose}`, KEY_BYTES));

/**
 * Seals a text: base64url of nonce, tag and ciphertext, 28 bytes more than the text.
 *
 * @param purpose  its use: it opens under no other purpose
 * @param binding  public text without which it does not open either, of any length
 */
export function sealText(text: string, secret: string, purpose: string, binding = ''): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(secret, purpose), nonce).setAAD(Buffer.from(binding));
  const sealed = [cipher.update(text, 'utf8'), cipher.final()];
  return Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]).toString('base64url');
}

/** Opens what {@link sealText} sealed; `null` if secret, purpose or binding differs, or a bit has changed. Never throws. */
export function openText(sealed: string, secret: string, purpose: string, binding = ''): string | null {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.byteLength < NONCE_BYTES + TAG_BYTES) return null;
  const options = { authTagLength: TAG_BYTES };
  const decipher = createDecipheriv(CIPHER, keyOf(secret, purpose), bytes.subarray(0, NONCE_BYTES), options);
  decipher.setAAD(Buffer.from(binding)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}
