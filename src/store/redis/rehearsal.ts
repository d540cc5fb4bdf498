/** A right that is missing shows at start, not at the first logout. */

import { randomBytes } from 'node:crypto';
import { ConfigFault, DependencyFault } from '../../errors.ts';
import type { Store } from '../store.ts';
import { RedisRefusal } from './faults.ts';

const LIFETIME_MS = 10_000;

/**
 * Does once what the gateway will do, on a session, an attempt, a key, a refresh family and a token of nobody.
 *
 * @throws ConfigFault when Redis refuses a command; an outage in the middle is no reason not to start
 */
export async function rehearse(
  store: Pick<Store, 'sessions' | 'attempts' | 'once' | 'families' | 'tokenRevocations'>,
  nowMs: number,
): Promise<void> {
  const { sessions, attempts, once, families, tokenRevocations } = store;
  const handle = randomBytes(32).toString('base64url');
  const subject = `rehearsal ${handle}`;
  const record = {
    handle,
    subject,
    user: {},
    method: 'backend',
    version: 1,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + LIFETIME_MS,
    lastSeenAtMs: nowMs,
    device: '',
  } as const;
  const rule = { freeAttempts: 1, maxDelayMs: 1, windowMs: LIFETIME_MS };
  try {
    await sessions.create(record, LIFETIME_MS);
    await sessions.read(handle);
    await sessions.touch(handle, nowMs, LIFETIME_MS);
    await sessions.list(subject);
    await sessions.endAll(subject);
    await attempts.begin(handle, rule, nowMs);
    await attempts.takeBack(handle);
    await attempts.succeeded(handle);
    await once.use(handle, 1);
    await tokenRevocations.revoke({ kind: 'token', tokenId: subject, issuer: null, expiresAtMs: nowMs + LIFETIME_MS });
    await families.begin({ handle, session: handle, client: 'native', current: handle }, LIFETIME_MS);
    const reading = await families.read(handle);
    const presented = { generation: 0, digest: handle };
    if (reading !== null) await families.rotate(reading, presented, { seed: subject, digest: subject }, LIFETIME_MS);
    await families.end(handle);
  } catch (fault) {
    if (fault instanceof RedisRefusal) throw new ConfigFault(`store.redis: ${fault.message}`);
    if (!(fault instanceof DependencyFault)) throw fault;
  }
}
