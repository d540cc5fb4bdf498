/** A missing right shows at start, not at the first logout. */

import { randomBytes } from 'node:crypto';
import { ConfigFault, DependencyFault } from '../../errors.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import { newJti } from '../../jwt/names.ts';
import type { Store } from '../store.ts';
import { StoreRefusal } from './events.ts';

const LIFETIME_MS = 10_000;

/**
 * Does once everything that the gateway will do, with a session, an attempt, a key, a login, a refresh family, a code and
 * a token that belong to no user.
 *
 * @param key  of the store in the configuration, for the message: `store.redis`
 * @throws ConfigFault when the store refuses a command; an outage in the middle does not prevent the start
 */
export async function rehearse(
  store: Pick<
    Store,
    'sessions' | 'attempts' | 'once' | 'loginTransactions' | 'families' | 'codes' | 'tokenRevocations'
  >,
  key: string,
  nowMs: number,
): Promise<void> {
  const { sessions, attempts, once, loginTransactions, families, codes, tokenRevocations } = store;
  const handle = randomBytes(32).toString('base64url') as SessionHandle;
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
    remembered: false,
    login: null,
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
    await loginTransactions.add(handle, handle, '', { ttlMs: LIFETIME_MS, maxPerBrowser: 1 });
    await loginTransactions.take(handle, handle);
    await tokenRevocations.revoke({ kind: 'token', tokenId: newJti(), issuer: null, expiresAtMs: nowMs + LIFETIME_MS });
    await families.begin({ handle, session: handle, client: 'native', current: handle }, LIFETIME_MS);
    const reading = await families.read(handle);
    const presented = { generation: 0, digest: handle };
    if (reading !== null) await families.rotate(reading, presented, { seed: subject, digest: subject }, LIFETIME_MS);
    await families.end(handle);
    await codes.add(handle, '', LIFETIME_MS);
    await codes.read(handle);
    await codes.replace(handle, '', subject, LIFETIME_MS);
    await codes.end(handle);
  } catch (fault) {
    if (fault instanceof StoreRefusal) throw new ConfigFault(`${key}: ${fault.message}`);
    if (!(fault instanceof DependencyFault)) throw fault;
  }
}
