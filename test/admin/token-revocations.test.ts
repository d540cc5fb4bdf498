/** `POST /api/token-revocations`, and `sallyport token revoke`, which calls it. */

import { describe, expect, test } from 'vitest';
import { cli } from '../cli/support.ts';
import { startInstance, type TestInstance } from '../support/instance.ts';
import { TokenAuthority } from '../support/issuers/token-authority.ts';

const HANDLE = '7PhQ6unHYLMf49FT9ZCzI-_tlKDgcQC9O4nPrUxZOfY';
const nowSec = () => Math.floor(Date.now() / 1_000);

const post = (instance: TestInstance, body: unknown, type = 'application/json') =>
  instance.admin('/api/token-revocations', {
    method: 'POST',
    headers: { 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const isRevoked = (instance: TestInstance, claims: Record<string, unknown>) =>
  instance.instance.localGateway!.longLived.revokedTokens.isRevoked(claims);

describe('an operator revokes', () => {
  test('a token by its jti, for any issuer, until no verifier accepts it', async () => {
    await using instance = await startInstance();
    const exp = nowSec() + 300;
    const response = await post(instance, { jti: 'one', exp });
    expect(response.status).toBe(200);
    const until = new Date((exp + 600) * 1_000).toISOString();
    expect(await response.json()).toEqual({ kind: 'token', until, hasExpired: false });
    expect(isRevoked(instance, { jti: 'one', iss: 'https://any' })).toBe(true);
    expect(isRevoked(instance, { jti: 'two' })).toBe(false);
    expect(instance.audit.records).toContainEqual(
      expect.objectContaining({
        event: 'token_revoked',
        by: 'operator',
        kind: 'token',
        jti: 'one',
        handle: null,
        subject: null,
        issuer: null,
        until,
        client: '127.0.0.1',
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
      }),
    );
  });

  test('a token of one issuer, for the maximum lifetime of tokens', async () => {
    await using instance = await startInstance();
    const startedMs = Date.now();
    const { until } = (await (await post(instance, { jti: 'one', issuer: 'https://a' })).json()) as { until: string };
    expect(Date.parse(until)).toBeGreaterThanOrEqual(startedMs + 3_600_000);
    expect(isRevoked(instance, { jti: 'one', iss: 'https://a' })).toBe(true);
    expect(isRevoked(instance, { jti: 'one', iss: 'https://b' })).toBe(false);
    const longer = (await (await post(instance, { jti: 'two', lifetimeSec: 86_400 })).json()) as { until: string };
    expect(Date.parse(longer.until)).toBeGreaterThanOrEqual(startedMs + 86_400_000);
  });

  test('nothing if the token expired long ago, and the answer says so', async () => {
    await using instance = await startInstance();
    const response = await post(instance, { jti: 'old', exp: nowSec() - 601 });
    expect(await response.json()).toMatchObject({ kind: 'token', hasExpired: true });
    expect(isRevoked(instance, { jti: 'old' })).toBe(false);
  });

  test("the subject's current tokens, not future ones", async () => {
    await using instance = await startInstance();
    expect((await post(instance, { subject: 'cart' })).status).toBe(200);
    expect(isRevoked(instance, { sub: 'cart', iat: nowSec() - 1 })).toBe(true);
    expect(isRevoked(instance, { sub: 'alice', iat: nowSec() - 1, act: { sub: 'cart' } })).toBe(true);
    expect(isRevoked(instance, { sub: 'cart', iat: nowSec() + 2 })).toBe(false);
    expect(isRevoked(instance, { sub: 'alice', iat: nowSec() - 1 })).toBe(false);
    expect(instance.audit.records).toContainEqual(
      expect.objectContaining({ event: 'token_revoked', kind: 'subject', subject: 'cart', jti: null }),
    );
  });

  test('a session with its tokens, and both are audited', async () => {
    await using instance = await startInstance();
    const gateway = instance.instance.localGateway!;
    const { record } = await gateway.sessions.open({ subject: 'bob', user: {}, method: 'password', device: 'x' });
    expect((await post(instance, { session: record.handle })).status).toBe(200);
    expect(await gateway.sessions.list('bob')).toEqual([]);
    expect(isRevoked(instance, { sid: record.handle })).toBe(true);
    const events = instance.audit.records.filter(({ handle }) => handle === record.handle).map(({ event }) => event);
    expect(events).toEqual(['session_revoked', 'token_revoked']);
    // Even one that the store does not know: it may be from a store that was lost.
    expect((await post(instance, { session: HANDLE })).status).toBe(200);
    expect(isRevoked(instance, { sid: HANDLE })).toBe(true);
  });

  test('tokens, subjects and sessions, each counted by kind', async () => {
    await using instance = await startInstance();
    await post(instance, { jti: 'one' });
    await post(instance, { jti: 'two' });
    await post(instance, { subject: 'cart' });
    await post(instance, { session: HANDLE });
    const metrics = await (await instance.admin('/metrics')).text();
    expect(metrics).toContain('sallyport_token_revocations{kind="token"} 2\n');
    expect(metrics).toContain('sallyport_token_revocations{kind="subject"} 1\n');
    expect(metrics).toContain('sallyport_token_revocations{kind="session"} 1\n');
    expect(Number(/^sallyport_token_revocations_age_seconds (.*)$/m.exec(metrics)?.[1])).toBeLessThan(120);
    expect(metrics).toContain('sallyport_token_revocations_forgotten_total 0\n');
  });
});

describe('a body', () => {
  test.each([
    ['no members', {}],
    ['a string instead of an object', '"jti"'],
    ['invalid JSON', '{jti: 1}'],
    ['both a jti and a subject', { jti: 'a', subject: 'b' }],
    ['a member twice', '{"jti":"a","jti":"b"}'],
    ['an empty jti', { jti: '' }],
    ['a jti that is not a string', { jti: 7 }],
    ['a jti of 2,049 characters', { jti: 'x'.repeat(2_049) }],
    ['exp in milliseconds', { jti: 'a', exp: Date.now() * 1_000 }],
    ['exp as a string', { jti: 'a', exp: '1800000000' }],
    ['both exp and a lifetime', { jti: 'a', exp: 1_800_000_000, lifetimeSec: 60 }],
    ['exp for a subject', { subject: 'a', exp: 1_800_000_000 }],
    ['a lifetime of zero', { subject: 'a', lifetimeSec: 0 }],
    ['a lifetime of two years', { subject: 'a', lifetimeSec: 2 * 366 * 86_400 }],
    ['a session id instead of a handle', { session: 'short' }],
    ['an issuer for a session', { session: HANDLE, issuer: 'https://a' }],
    ['an unknown member', { jti: 'a', reason: 'stolen' }],
  ])('with %s is refused and revokes nothing', async (_title, body) => {
    await using instance = await startInstance();
    const response = await post(instance, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ reason: 'body_malformed' });
    expect(instance.instance.localGateway!.longLived.revokedTokens.counts).toEqual({
      token: 0,
      session: 0,
      subject: 0,
    });
  });

  test('that is too long or not declared as JSON is refused, as are other methods and paths', async () => {
    await using instance = await startInstance();
    const tooLong = await post(instance, { jti: 'a', issuer: 'x'.repeat(40_000) });
    expect([tooLong.status, ((await tooLong.json()) as { reason: string }).reason]).toEqual([413, 'body_too_large']);
    expect((await post(instance, '{"jti":"a"}', 'text/plain')).status).toBe(415);
    expect((await instance.admin('/api/token-revocations')).status).toBe(405);
    expect((await instance.admin('/api/token-revocations/x', { method: 'POST' })).status).toBe(404);
    expect(instance.instance.localGateway!.longLived.revokedTokens.counts.token).toBe(0);
  });
});

describe('sallyport token revoke', () => {
  const revoke = (instance: TestInstance, stdin: string, ...argv: string[]) => {
    const place = ['--admin-url', `http://127.0.0.1:${instance.adminPort}`];
    const token = ['--token-file', `${instance.file.directory}/admin.token`];
    return cli(['token', 'revoke', ...argv, ...place, ...token], { stdin });
  };

  test('reads a token from standard input, and revokes it by its jti and issuer until it has expired', async () => {
    using authority = await TokenAuthority.create();
    await using instance = await startInstance();
    const token = await authority.token({ jti: 'from-stdin' });
    const { code, out } = await revoke(instance, `Bearer ${token}\n`);
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^the token is refused; on record until /) });
    expect(out).not.toContain(token);
    expect(isRevoked(instance, { jti: 'from-stdin', iss: authority.issuer })).toBe(true);
    expect(isRevoked(instance, { jti: 'from-stdin', iss: 'https://other' })).toBe(false);
    const { until } = JSON.parse((await revoke(instance, token, '--json')).out) as { until: string };
    expect(Math.abs(Date.parse(until) - Date.now() - 900_000)).toBeLessThan(120_000);
  });

  test('accepts a jti, a session or a subject', async () => {
    await using instance = await startInstance();
    expect((await revoke(instance, '', '--jti', 'one', '--exp', String(nowSec() + 60))).code).toBe(0);
    expect((await revoke(instance, '', '--jti', 'two', '--issuer', 'https://a', '--lifetime', '24h')).code).toBe(0);
    expect((await revoke(instance, '', '--session', HANDLE)).out).toMatch(/^the session has ended, and its tokens/);
    expect((await revoke(instance, '', '--subject', 'cart')).out).toMatch(/^tokens of the subject that were issued/);
    expect(isRevoked(instance, { jti: 'one' })).toBe(true);
    expect(isRevoked(instance, { jti: 'two', iss: 'https://a' })).toBe(true);
    expect(isRevoked(instance, { sid: HANDLE })).toBe(true);
    expect(isRevoked(instance, { sub: 'cart', iat: nowSec() - 1 })).toBe(true);
    expect((await revoke(instance, '', '--jti', 'old', '--exp', '1')).out).toBe('the token has already expired\n');
  });

  test('reports a token without a jti, or an invalid one, in one line that does not repeat it', async () => {
    using authority = await TokenAuthority.create();
    await using instance = await startInstance();
    const token = await authority.token();
    const without = await revoke(instance, token);
    expect(without).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^the token has no jti: use --subject [^\n]*\n$/),
    });
    expect(without.err).not.toContain(token);
    const none = await revoke(instance, 'canary.canary.canary');
    expect(none).toMatchObject({ code: 1, err: expect.stringMatching(/nothing was revoked\n$/) });
    expect(none.err).not.toContain('canary');
  });

  test.each([
    ['two of the options', ['--jti', 'a', '--subject', 'b'], /give one of --jti, --session and --subject/],
    ['an argument', ['eyJhbGciOiJub25lIn0.e30.x'], /takes no arguments|too many|unexpected/i],
    ['--exp for a subject', ['--subject', 'a', '--exp', '1'], /--exp needs --jti/],
    ['--exp that is not a number', ['--jti', 'a', '--exp', 'tomorrow'], /--exp is not a number of seconds/],
    ['--lifetime that is not a duration', ['--jti', 'a', '--lifetime', 'long'], /--lifetime is not a duration/],
    ['--issuer for a session', ['--session', HANDLE, '--issuer', 'x'], /--session cannot be combined/],
  ])('reports %s as a mistake in the command line', async (_title, argv, problem) => {
    const { code, err } = await cli(['token', 'revoke', ...argv, '--admin-url', 'http://127.0.0.1:9']);
    expect(code).toBe(2);
    expect(err).toMatch(problem);
  });
});
