/** The values of response headers reach the client byte for byte. */

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

let upstream: RecordingUpstream;
let gateway: TestGateway;
let connection: RawConnection;

beforeAll(async () => {
  upstream = await RecordingUpstream.start();
  gateway = await startGateway({
    upstream: upstream.origin,
    routes: [{ id: 'public', match: { path: '/' }, credential: 'none' }],
  });
  connection = await RawConnection.open(gateway.port);
});

afterAll(async () => {
  connection.close();
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** How an answer is framed. Those that end with their connection get a connection of their own. */
const FRAMINGS = {
  length: { lines: ['Content-Length: 2'], body: 'ok', method: 'GET', ends: false },
  chunked: { lines: ['Transfer-Encoding: chunked'], body: '2\r\nok\r\n0\r\n\r\n', method: 'GET', ends: false },
  close: { lines: ['Connection: close'], body: 'ok', method: 'GET', ends: true },
  head: { lines: ['Content-Length: 2'], body: '', method: 'HEAD', ends: false },
} as const;

/** Sends lines as the head of an answer, one byte per character, and returns the head that the client gets. */
async function relayed(lines: readonly string[], framing: keyof typeof FRAMINGS): Promise<string> {
  const { body, method, ends } = FRAMINGS[framing];
  upstream.answer = (_request, socket) => {
    socket.write(Buffer.from(`HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1'));
    if (ends) socket.end();
  };
  connection.write(requestHead(method, '/x', [HOST]));
  const answer = await connection.response({ isHead: method === 'HEAD' });
  expect([answer.status, answer.body.toString()]).toEqual([200, method === 'HEAD' ? '' : 'ok']);
  return answer.head;
}

/** `Grüße.pdf` as UTF-8 and as Latin-1. */
const NAMES = [Buffer.from('Grüße.pdf').toString('latin1'), 'Grüße.pdf', '\xff\xfe\x80', 'レポート.pdf'].map((name) =>
  Buffer.from(name, /[^\0-\xff]/.test(name) ? 'utf8' : 'latin1').toString('latin1'),
);

test.for(Object.keys(FRAMINGS) as (keyof typeof FRAMINGS)[])(
  'H3, RFC 9110 §5.5: a non-ASCII file name keeps its bytes, before and after the framing headers: %s',
  async (framing) => {
    for (const name of NAMES) {
      const line = `Content-Disposition: attachment; filename="${name}"`;
      for (const lines of [
        [line, ...FRAMINGS[framing].lines],
        [...FRAMINGS[framing].lines, line],
      ]) {
        const head = await relayed(lines, framing);
        expect(head.toLowerCase().split('\r\n')).toContain(line.toLowerCase());
      }
    }
  },
);

test('H3, RFC 9110 §5.5: every value of every header keeps its bytes, in any order and framing', async () => {
  const byte = fc.oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }));
  const text = fc.array(byte, { minLength: 1, maxLength: 20 }).map((bytes) => String.fromCharCode(...bytes));
  const value = fc.array(text, { minLength: 1, maxLength: 3 }).map((words) => words.join(' '));
  const name = fc.constantFrom(
    'content-disposition',
    'x-name',
    'etag',
    'location',
    'set-cookie',
    'content-type',
    'link',
  );
  const framing = fc.constantFrom(...(Object.keys(FRAMINGS) as (keyof typeof FRAMINGS)[]));
  const lines = fc.uniqueArray(fc.tuple(name, value), { minLength: 1, maxLength: 5, selector: ([key]) => key });
  await fc.assert(
    fc.asyncProperty(lines, framing, fc.nat(), async (fields, framed, at) => {
      const own = fields.map(([key, text]) => `${key}: ${text}`);
      const head = await relayed(own.toSpliced(at % (own.length + 1), 0, ...FRAMINGS[framed].lines), framed);
      for (const line of own) expect(head.split('\r\n')).toContain(line);
    }),
    { numRuns: 200 },
  );
});
