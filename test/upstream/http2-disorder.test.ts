/**
 * Servers reset, answer early, break off and go away, and clients leave, all at once and at random: no request is left,
 * no bug is logged, and the process survives. Node itself aborts on some of these sequences.
 */

import type { ServerHttp2Stream } from 'node:http2';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { Http2Client } from '../support/http2/client.ts';
import { Http2Upstream } from '../support/http2/upstream.ts';
import { until } from '../support/until.ts';

/** Whole numbers below a limit, the same in each run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const ANSWERS: readonly ((stream: ServerHttp2Stream, code: number) => void)[] = [
  (stream, code) => {
    stream.respond({ ':status': 200 }, { endStream: true });
    stream.close(code);
  },
  (stream, code) => stream.close(code),
  (stream, code) => {
    stream.respond({ ':status': 200 });
    stream.write('x'.repeat(50_000));
    setImmediate(() => stream.close(code));
  },
  (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('early');
  },
  (stream) => stream.session?.destroy(),
  (stream, code) => stream.session?.goaway(code % 3),
  (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  },
  () => {},
];

test('RFC 9113 §5.4: resets, early answers and ended connections, in any order, leave nothing behind', async () => {
  const roll = dice(26);
  await using upstream = await Http2Upstream.start((stream) => {
    const answer = ANSWERS[roll(ANSWERS.length)] as (typeof ANSWERS)[number];
    const act = () => {
      if (!stream.destroyed) answer(stream, roll(12));
    };
    if (roll(2) === 0) act();
    else setTimeout(act, roll(10));
  });
  await using gateway = await startGateway({
    routes: [{ id: 'public', match: { path: '/' }, credential: 'none', maxBodyBytes: '60KiB' }],
    config: {
      upstreams: {
        app: { endpoints: [upstream.origin], maxStreams: 10, timeouts: { firstByte: '50ms', idle: '50ms' } },
      },
      listeners: {
        public: { address: '127.0.0.1:0', http2: true, limits: { maxStreamResets: 100_000 } },
        admin: { address: '127.0.0.1:0' },
      },
    },
  });
  const request = async (client: Http2Client) => {
    const call = { 'content-type': 'application/grpc', 'grpc-timeout': `${20 + roll(80)}m` };
    const stream = client.begin({ ':method': 'POST', ':path': '/x', ...(roll(2) === 0 && call) }, null);
    for (let parts = roll(4); parts > 0 && !stream.destroyed; parts -= 1) {
      stream.write(Buffer.alloc(roll(40_000)));
      if (roll(2) === 0) await new Promise((resolve) => setTimeout(resolve, roll(5)));
    }
    if (roll(3) > 0 && !stream.destroyed) stream.end();
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    stream.resume().once('close', end);
    const leaving = setTimeout(() => {
      stream.close(8);
      // Some of Node 24.18.1 then never emit `close`, although the gateway has nothing left of them.
      end();
    }, roll(100));
    if (!stream.closed) await over;
    clearTimeout(leaving);
  };
  for (let round = 0; round < 6; round += 1) {
    await using client = Http2Client.plain(gateway.port);
    await Promise.all(Array.from({ length: 60 }, () => request(client)));
  }
  const leftOver = async () => /_in_flight\{[^}]*\} [1-9]/.exec(await gateway.metrics.text());
  await until(async () => (await leftOver()) === null, 'no request is in flight');
  expect(gateway.log.records.filter(({ reason }) => reason === 'bug')).toEqual([]);
});
