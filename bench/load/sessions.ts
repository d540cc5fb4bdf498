/** Sessions and service tokens that the load presents. */

import { randomBytes, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { newSessionId, sessionHandle } from '../../src/authentication/session/session-id.ts';
import type { SessionHandle } from '../../src/jwt/names.ts';
import { encodeSession } from '../../src/store/networked/session-format.ts';
import { Keys } from '../../src/store/redis/data/keys.ts';
import type { SessionRecord } from '../../src/store/session-record.ts';
import { BACKEND, COOKIE_NAME, PUBLIC_ORIGIN, SERVICE_ISSUER } from './gateway.ts';
import { postJson } from './http.ts';

const ABSOLUTE_TIMEOUT_MS = 12 * 3_600_000;
/** Lifetime of the keys in Redis: longer than a round takes. */
const SEEDED_TTL_MS = 120_000;

/** Opens sessions as a trusted backend does; returns their Cookie header values. */
export async function openSessions(port: number, count: number): Promise<string[]> {
  const authorization = `Basic ${Buffer.from(`${BACKEND.id}:${BACKEND.secret}`).toString('base64')}`;
  const cookies: string[] = [];
  for (let index = 0; index < count; index++) {
    const login = { subject: `user-${index}`, user: { roles: ['customer'] } };
    const { status, headers, body } = await postJson(port, '/auth/sessions', login, { authorization });
    const pair = headers['set-cookie']?.[0]?.split(';')[0];
    if (status !== 201 || pair === undefined) throw new Error(`a session was not opened: ${status} ${body}`);
    cookies.push(pair);
  }
  return cookies;
}

/** Writes sessions into Redis that no gateway has seen, in the form in which a gateway writes them. */
export class SessionSeeder implements Disposable {
  readonly #redis: Redis;
  readonly #keys = new Keys('sallyport:');

  constructor(url: string) {
    this.#redis = new Redis(url);
  }

  /**
   * Returns the Cookie header values of this many new sessions.
   *
   * @param ttlMs  how long Redis keeps them
   */
  async seed(count: number, ttlMs = SEEDED_TTL_MS): Promise<string[]> {
    const ids = Array.from({ length: count }, newSessionId);
    for (let start = 0; start < count; start += 1_000) {
      const pipeline = this.#redis.pipeline();
      for (const id of ids.slice(start, start + 1_000)) {
        const handle = sessionHandle(id);
        pipeline.set(this.#keys.session(handle), encodeSession(newRecord(handle)), 'PX', ttlMs);
      }
      await pipeline.exec();
    }
    return ids.map((id) => `${COOKIE_NAME}=${id}`);
  }

  /** Number of sessions read from Redis so far, by any process. */
  async readCount(): Promise<number> {
    const calls = /^cmdstat_getrange:calls=(\d+)/m.exec(await this.#redis.info('commandstats'))?.[1];
    return Number(calls ?? 0);
  }

  [Symbol.dispose](): void {
    this.#redis.disconnect();
  }
}

function newRecord(handle: SessionHandle): SessionRecord {
  const nowMs = Date.now();
  return {
    handle,
    subject: `user-${randomBytes(4).toString('hex')}`,
    user: { roles: ['customer'] },
    method: 'backend',
    version: 1,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + ABSOLUTE_TIMEOUT_MS,
    lastSeenAtMs: nowMs,
    remembered: false,
    login: null,
    device: 'Opened by bench',
  };
}

/** An issuer of service tokens. */
export async function createServiceIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const header = { alg: 'ES256', kid: 'bench', typ: 'JWT' };
  return {
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: header.kid, alg: header.alg, use: 'sig' }] },
    /** An Authorization header value for this many services; never the same twice. */
    tokens: (count: number): Promise<string[]> =>
      Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const token = new SignJWT({}).setProtectedHeader(header).setIssuer(SERVICE_ISSUER).setAudience(PUBLIC_ORIGIN);
          token.setSubject(`service-${index}`).setIssuedAt().setExpirationTime('1h').setJti(randomUUID());
          return `Bearer ${await token.sign(privateKey)}`;
        }),
      ),
  };
}
