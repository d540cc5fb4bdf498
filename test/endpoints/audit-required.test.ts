/** Logins, tokens and logouts while the audit stream cannot be written. */

import { describe, expect, test } from 'vitest';
import type { AuditOutput } from '../../src/telemetry/audit.ts';
import { startInstance } from '../support/instance.ts';
import { FROM_OUR_PAGE, LoginStage, PASSWORD, sessionIdIn } from './login/fixture.ts';
import { cookieOf, OriginsStage, SHOP } from './login/hand-over/stage.ts';
import { RefreshStage } from './refresh/fixture.ts';
import { AS_ORDERS, errorOf, TokenStage } from './token/fixture.ts';

const REFUSE = { log: { onAuditFailure: 'refuse' } };
const SERVE = { log: { onAuditFailure: 'serve' } };

/** An output that writes the first records and holds back the rest. */
class FullOutput implements AuditOutput {
  readonly written: string[] = [];
  readonly held: string[] = [];
  readonly room: number;

  constructor(room: number) {
    this.room = room;
  }

  canWrite(): boolean {
    return this.held.length === 0;
  }

  write(line: string): void {
    (this.written.length < this.room ? this.written : this.held).push(line);
  }

  writeNow(line: string): boolean {
    if (this.written.length >= this.room) return false;
    this.written.push(line);
    return true;
  }
}

const eventsIn = (lines: readonly string[]) => lines.map((line) => (JSON.parse(line) as { event: string }).event);

describe('R1: with audit records required', () => {
  test('a login that cannot be recorded is refused with 503 and leaves no session', async () => {
    const auditOutput = new FullOutput(0);
    await using stage = await LoginStage.start({ auditOutput, config: REFUSE });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const response = await stage.logIn('alice', PASSWORD);
      expect([response.status, JSON.parse(response.body.toString()).reason]).toEqual([503, 'audit_unavailable']);
      expect(response.headers.get('set-cookie')).toBeUndefined();
      expect(await stage.gateway.gateway.sessions.list('alice')).toEqual([]);
    }
    expect(eventsIn(auditOutput.held)).toEqual(['unrecorded_refused']);
    expect(stage.gateway.log.records).toContainEqual(expect.objectContaining({ reason: 'audit_unavailable' }));
  });

  test('a hand-over that cannot be recorded gives the other origin no cookie', async () => {
    const auditOutput = new FullOutput(2);
    await using stage = await OriginsStage.start({ auditOutput, config: REFUSE });
    const browser = stage.browser();
    const page = await stage.logIn(browser, `${SHOP}/orders`);
    expect([page.status, page.url.pathname, cookieOf(browser, SHOP)]).toEqual([503, '/auth/handed-over', undefined]);
    expect(eventsIn(auditOutput.written)).toEqual(['denied', 'login']);
  });

  test('a login whose refresh token cannot be recorded is refused and leaves no session', async () => {
    const auditOutput = new FullOutput(1);
    await using stage = await RefreshStage.start({ auditOutput, config: REFUSE });
    await expect(stage.native()).rejects.toThrow('503');
    expect(eventsIn(auditOutput.written)).toEqual(['login']);
    expect(await stage.login.gateway.gateway.sessions.list('alice')).toEqual([]);
  });

  test('a failed or unrecorded login leaves the previous session alone', async () => {
    const auditOutput = new FullOutput(1);
    await using stage = await LoginStage.start({ auditOutput, config: REFUSE });
    const cookie = `Cookie: __Host-sid=${sessionIdIn(await stage.logIn('alice', PASSWORD))}`;
    expect((await stage.logIn('alice', 'wrong')).status).toBe(401);
    expect((await stage.logIn('alice', PASSWORD, cookie)).status).toBe(503);
    expect(await stage.gateway.gateway.sessions.list('alice')).toHaveLength(1);
  });

  test('no token is issued', async () => {
    await using stage = await TokenStage.start({ auditOutput: new FullOutput(0), config: REFUSE });
    const response = await stage.token({ grant_type: 'client_credentials', audience: 'stock' }, AS_ORDERS);
    expect(errorOf(response)).toEqual([503, 'temporarily_unavailable']);
    expect(response.body.toString()).not.toContain('access_token');
  });

  test('users and operators can still end sessions', async () => {
    await using stage = await LoginStage.start({ auditOutput: new FullOutput(1), config: REFUSE });
    const cookie = await stage.cookieOf('alice');
    expect((await stage.send('POST', '/auth/logout', [...FROM_OUR_PAGE, cookie])).status).toBe(303);
    expect(await stage.gateway.gateway.sessions.list('alice')).toEqual([]);

    await using instance = await startInstance({ auditOutput: new FullOutput(0), config: REFUSE });
    const { sessions } = instance.instance.localGateway ?? {};
    const session = { subject: 'bob', user: {}, method: 'password', device: 'test' } as const;
    const { record } = (await sessions?.open(session)) ?? {};
    const revoked = await instance.admin(`/api/sessions/${record?.handle}`, { method: 'DELETE' });
    expect(revoked.status).toBe(200);
    expect(await sessions?.list('bob')).toEqual([]);
  });
});

describe('R1: by default', () => {
  test('a login succeeds, and its record waits', async () => {
    const auditOutput = new FullOutput(0);
    await using stage = await LoginStage.start({ auditOutput, config: SERVE });
    await stage.cookieOf('alice');
    expect(await stage.gateway.gateway.sessions.list('alice')).toHaveLength(1);
    expect(eventsIn(auditOutput.held)).toEqual(['login']);
  });
});
