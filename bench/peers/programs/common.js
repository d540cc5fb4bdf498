/** What the stacks in Node share: where they are, whom they forward to, and the key with which they sign. */

import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [port, upstreamPort, redisUrl, keyFile, keepsTokens] = process.argv.slice(2);

export const settings = {
  port: Number(port),
  upstream: `http://127.0.0.1:${upstreamPort}`,
  redisUrl,
  /** ES256, as the gateway's. */
  key: keyFile === undefined ? null : createPrivateKey(readFileSync(keyFile)),
  /** Whether a signed token is sent again for a minute, which the gateway does and these stacks do not by themselves. */
  keepsTokens: keepsTokens === 'keeps-tokens',
  sessionSecret: 'a-secret-of-the-benchmark-of-32-characters-or-more',
};

/** Claims of the token that the upstream gets. */
export const claimsOf = (userId, roles) => {
  const iat = Math.floor(Date.now() / 1_000);
  return { iss: 'https://shop.example.com', aud: 'orders', sub: userId, roles, iat, exp: iat + 120 };
};

const KEPT_MS = 60_000;
const kept = new Map();

/** Returns the session's token: a new one, or the one of the last minute where tokens are kept. */
export function tokenFor(sessionId, mint) {
  if (!settings.keepsTokens) return mint();
  const known = kept.get(sessionId);
  if (known !== undefined && known.untilMs > Date.now()) return known.token;
  const token = mint();
  kept.set(sessionId, { token, untilMs: Date.now() + KEPT_MS });
  return token;
}
