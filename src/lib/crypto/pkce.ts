/** Proof key for code exchange (RFC 7636), S256 only: with `plain`, anyone who sees the request could redeem the code. */

import { hash } from 'node:crypto';
import { BASE64URL_32_BYTES_PATTERN } from './base64url.ts';

/** RFC 7636 §4.1. */
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

/** Whether a text has the form of a challenge of the method S256. */
export const isChallenge = (text: string): boolean => BASE64URL_32_BYTES_PATTERN.test(text);

/** The challenge of a verifier. */
export const pkceChallenge = (verifier: string): string => hash('sha256', verifier, 'base64url');

/** Whether a verifier is that of a challenge. */
export const verifies = (verifier: string, challenge: string): boolean =>
  VERIFIER.test(verifier) && pkceChallenge(verifier) === challenge;
