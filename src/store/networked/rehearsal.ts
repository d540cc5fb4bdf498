/** A missing right shows at start, not at the first logout. */

import { randomBytes } from 'node:crypto';
import { ConfigFault, DependencyFault } from '../../errors.ts';
import { newJti, type SessionHandle } from '../../jwt/names.ts';
import type { Store } from '../store.ts';
import { StoreRefusal } from './events.ts';

const LIFETIME_MS = 10_000;

type Rehearsed = Pick<
  Store,
  'sessions' | 'attempts' | 'once' | 'loginTransactions' | 'sealedTokens' | 'families' | 'codes' | 'tokenRevocations'
>;

/**
 * Does everything once that the gateway will do, with a session, an attempt, a key, a login, sealed tokens, a refresh
 * family, a code and a token that belong to no user.
 *
 * @param key  of the store in the configuration, for the message: `store.redis`
 * @throws ConfigFault when the store refuses a command; an outage in the middle does not prevent the start
 */
export async function rehearse(store: Rehearsed, key: string, nowMs: number): Promise<void> {
  const { attempts, once, loginTransactions, families, codes, tokenRevocations } = store;
  const handle = randomBytes(32).toString('base64url') as SessionHandle;
  const subject = `rehearsal ${handle}`;
  const rule = { freeAttempts: 1, maxDelayMs: 1, windowMs: LIFETIME_MS };
  try {
    await rehearseSessions(store, handle, subject, nowMs);
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

/** A session of an identity provider, with sealed tokens. */
async function rehearseSessions(
  { sessions, sealedTokens }: Pick<Store, 'sessions' | 'sealedTokens'>,
  handle: SessionHandle,
  subject: string,
  nowMs: number,
): Promise<void> {
  const login = { provider: 'rehearsal', subject: handle, sid: handle, authTimeMs: null, acr: null, amr: [] };
  const times = { createdAtMs: nowMs, expiresAtMs: nowMs + LIFETIME_MS, lastSeenAtMs: nowMs };
  const session = { handle, subject, user: {}, method: 'backend', version: 1, device: '', remembered: false } as const;
  await sessions.create({ ...session, ...times, login }, LIFETIME_MS);
  await sessions.read(handle);
  await sessions.touch(handle, nowMs, LIFETIME_MS);
  await sessions.update(handle, { user: {}, login }, 1);
  await sealedTokens.put(handle, '');
  await sealedTokens.lease(handle, handle, LIFETIME_MS);
  await sealedTokens.replace(handle, 1, subject);
  await sealedTokens.renew(handle, handle, LIFETIME_MS);
  await sealedTokens.get(handle);
  await sealedTokens.release(handle, handle);
  await sessions.list(subject);
  await sessions.endByProvider('rehearsal', { subject: handle });
  await sessions.endAll(subject);
}
