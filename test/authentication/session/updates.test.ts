/** What happens to a cached session that is updated in place, here or on another replica. */

import { describe, expect, test } from 'vitest';
import { Denial } from '../../../src/errors.ts';
import { Stage, settled } from './stage.ts';

const ADMIN = { user: { roles: ['admin'] }, login: null };
const CUSTOMER = { user: { roles: ['customer'] }, login: null };

/** The roles that a request with this session id has. */
async function rolesOf(stage: Stage, sessionId: string): Promise<readonly string[]> {
  const principal = await stage.sessions.authenticate(sessionId);
  if (principal instanceof Denial) throw new Error(principal.reason);
  return [...principal.roles];
}

describe('a session with updated roles', () => {
  test.each(['here', 'elsewhere'])('has the new roles from the next request when updated %s', async (where) => {
    const stage = new Stage({ recheckAfterMs: 300_000 });
    const { sessionId, record } = await stage.open();
    expect(await rolesOf(stage, sessionId)).toEqual(['customer']);
    const reads = stage.calls.read;
    expect(await rolesOf(stage, sessionId)).toEqual(['customer']);
    expect(stage.calls.read).toBe(reads);

    const updated = await (where === 'here' ? stage.sessions : stage.elsewhere).update(record.handle, ADMIN, 1);
    expect(updated.outcome).toBe('updated');
    expect(await rolesOf(stage, sessionId)).toEqual(['admin']);
    expect(stage.calls.read).toBe(reads + 1);
    expect(await rolesOf(stage, sessionId)).toEqual(['admin']);
    expect(stage.calls.read).toBe(reads + 1);
  });

  test('is a new principal, so no earlier upstream token is reused', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    const before = await stage.sessions.authenticate(sessionId);
    await stage.elsewhere.update(record.handle, CUSTOMER, 1);
    const after = await stage.sessions.authenticate(sessionId);
    if (before instanceof Denial || after instanceof Denial) throw new Error('denied');
    expect(after.tokens).not.toBe(before.tokens);
    expect([before.session.version, after.session.version]).toEqual([1, 2]);
  });

  test('has the new roles even if the update came during a read', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    const release = stage.holdReads();
    const roles = rolesOf(stage, sessionId);
    await settled();
    await stage.elsewhere.update(record.handle, ADMIN, 1);
    release();
    expect(await roles).toEqual(['admin']);
  });

  test('is neither served with its old roles nor treated as logged out while the store is down', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await rolesOf(stage, sessionId);
    await stage.elsewhere.update(record.handle, ADMIN, 1);
    stage.isDown = true;
    expect(await stage.outcome(sessionId)).toBe('store_unavailable');
    stage.isDown = false;
    expect(await rolesOf(stage, sessionId)).toEqual(['admin']);
  });

  test("keeps its last use, its streams, and its place among the user's sessions", async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    const principal = await stage.sessions.authenticate(sessionId);
    if (principal instanceof Denial) throw new Error(principal.reason);
    let ends = 0;
    const stop = stage.sessions.watch(principal, () => {
      ends += 1;
    });
    await stage.elsewhere.update(record.handle, ADMIN, 1);
    stage.sessions.sweepStreams();
    await settled();
    expect(ends).toBe(0);
    expect((await stage.sessions.list('bob')).map(({ handle }) => handle)).toEqual([record.handle]);
    await stage.elsewhere.end(record.handle);
    expect(ends).toBe(1);
    stop();
  });

  test('rejects an update based on an older version, or made after it ended', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.sessions.update(record.handle, ADMIN, 1);
    expect(await stage.sessions.update(record.handle, CUSTOMER, 1)).toMatchObject({ outcome: 'outdated' });
    expect(await rolesOf(stage, sessionId)).toEqual(['admin']);
    await stage.sessions.end(record.handle, 'logout');
    expect(await stage.sessions.update(record.handle, CUSTOMER, 2)).toEqual({ outcome: 'ended' });
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
  });
});

test('a session that its provider ends is refused at once, and its streams end', async () => {
  const stage = new Stage();
  const login = { provider: 'corporate', subject: 'bob', sid: 's1', authTimeMs: null, acr: null, amr: [] };
  const { sessionId } = await stage.open({ subject: 'corporate|bob', method: 'oidc', login });
  const principal = await stage.sessions.authenticate(sessionId);
  if (principal instanceof Denial) throw new Error(principal.reason);
  expect(principal.session.login).toEqual(login);
  let ends = 0;
  stage.sessions.watch(principal, () => {
    ends += 1;
  });
  expect(await stage.sessions.endByProvider('corporate', { sid: 's1' })).toEqual([principal.session.handle]);
  expect(ends).toBe(1);
  expect(await stage.outcome(sessionId)).toBe('session_unknown');
});
