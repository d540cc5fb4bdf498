/** Calls that go out with the Pod's ServiceAccount token, from a file that the kubelet replaces. */

import { describe, expect, test } from 'vitest';
import { systemClocks } from '../../src/lib/clock.ts';
import { TestClocks } from '../support/clocks.ts';
import { foreignToken, OutboundStage, ReplacedFiles } from './stage.ts';

/** A projected token, as the kubelet writes it. */
const projected = (jti: string, expMs: number) =>
  foreignToken({ sub: 'system:serviceaccount:shop:cart', aud: ['orders'], jti, exp: Math.floor(expMs / 1_000) });

const destination = (tokenFile: string) => ({ token: { kubernetes: { tokenFile } } });

describe('a projected ServiceAccount token', () => {
  test('is sent as in the file, without the trailing newline', async () => {
    using files = new ReplacedFiles();
    const token = await projected('one', systemClocks.wallMs() + 600_000);
    await using stage = await OutboundStage.start({ destinations: [destination(files.put('token', `${token}\n`))] });
    expect((await stage.call('/', 'Authorization: Bearer mallory')).status).toBe(200);
    expect(stage.orders.last.values('authorization')).toEqual([`Bearer ${token}`]);
  });

  test('is read again within a second after each replacement of the file', async () => {
    using files = new ReplacedFiles();
    const clocks = new TestClocks();
    const put = async (jti: string) => files.put('token', await projected(jti, clocks.wallMs() + 600_000));
    await put('one');
    await using stage = await OutboundStage.start({ destinations: [destination(await put('one'))], clocks });
    const sent = async () => {
      await stage.call('/');
      return JSON.parse(Buffer.from(stage.lastToken.split('.')[1] ?? '', 'base64url').toString()).jti as string;
    };
    expect(await sent()).toBe('one');
    await put('two');
    clocks.advance(999);
    expect(await sent()).toBe('one');
    clocks.advance(1);
    expect(await sent()).toBe('two');
    for (const jti of ['three', 'four']) {
      await put(jti);
      clocks.advance(1_000);
      expect(await sent()).toBe(jti);
    }
  });

  test('stays in use until it expires if the file is missing, empty or partial; then calls get 503', async () => {
    using files = new ReplacedFiles();
    const clocks = new TestClocks();
    const good = await projected('one', clocks.wallMs() + 600_000);
    const path = files.put('token', good);
    await using stage = await OutboundStage.start({ destinations: [destination(path)], clocks });
    await stage.call('/');
    for (const damage of ['', good.slice(0, 20), 'not a token', null]) {
      if (damage === null) files.remove('token');
      else files.put('token', damage);
      clocks.advance(2_000);
      expect((await stage.call('/')).status).toBe(200);
      expect(stage.lastToken).toBe(good);
    }
    clocks.advance(600_000);
    stage.orders.reset();
    const answer = await stage.call('/');
    expect(answer).toMatchObject({ status: 503, reason: 'token_unavailable' });
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(stage.orders.requests).toEqual([]);
    expect(stage.gateway.log.records.at(-1)).toMatchObject({ note: 'projected token cannot be read', level: 'error' });
  });

  test('is not sent once it has expired, even if the file still has it', async () => {
    using files = new ReplacedFiles();
    const clocks = new TestClocks();
    const path = files.put('token', await projected('one', clocks.wallMs() + 60_000));
    await using stage = await OutboundStage.start({ destinations: [destination(path)], clocks });
    expect((await stage.call('/')).status).toBe(200);
    clocks.advance(60_000);
    expect(await stage.call('/')).toMatchObject({ status: 503, reason: 'token_unavailable' });
    files.put('token', await projected('two', clocks.wallMs() + 60_000));
    clocks.advance(1_000);
    expect((await stage.call('/')).status).toBe(200);
  });

  test('is not sent if it is not a JWT', async () => {
    using files = new ReplacedFiles();
    const path = files.put('token', 'hunter2 hunter2\n');
    await using stage = await OutboundStage.start({ destinations: [destination(path)] });
    expect(await stage.call('/')).toMatchObject({ status: 503, reason: 'token_unavailable' });
    expect(stage.orders.requests).toEqual([]);
    expect(stage.gateway.log.text).not.toContain('hunter2');
  });
});
