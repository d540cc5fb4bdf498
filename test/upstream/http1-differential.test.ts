/**
 * The HTTP/1.1 client compared with undici's: both get the same bytes of an answer in the same portions. They read the
 * same answer, or ours refuses it for a reason in {@link STRICTER}.
 */

import fc from 'fast-check';
import { Client, type Dispatcher } from 'undici';
import { expect, test } from 'vitest';
import { asked, listed, nothing, OpenWire, type Reading, turn, Wire } from '../support/http1-wire.ts';

/** How a client read an answer, and whether its connection may carry another request. */
type Verdict = Pick<Reading, 'statuses' | 'headers' | 'body' | 'outcome'> & { readonly isReusable: boolean };

const verdictOf = ({ statuses, headers, body, outcome }: Reading, isReusable: boolean): Verdict => ({
  statuses,
  // Undici keeps trailing blanks of a value and leading zeros of a length.
  headers: headers.map(([name, value]) => [
    name,
    name === 'content-length' ? String(Number(value)) : value.replace(/[ \t]+$/, ''),
  ]),
  body,
  outcome,
  isReusable,
});

async function readByUs(method: string, portions: readonly Buffer[]): Promise<Verdict> {
  const open = new OpenWire();
  const reading = open.send(asked({ method }));
  for (const portion of portions) open.receive(portion);
  const isReusable = !open.wire.destroyed;
  if (isReusable) open.wire.emit('end');
  await turn();
  return verdictOf(reading, isReusable);
}

async function readByUndici(method: string, portions: readonly Buffer[]): Promise<Verdict> {
  const reading = nothing();
  const wire = new Wire();
  const client = new Client('http://a', {
    connect: (_options, connected) => queueMicrotask(() => connected(null, wire as never)),
    pipelining: 1,
    maxHeaderSize: 32 * 1024,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {},
    onResponseStart(_controller, status, received) {
      reading.statuses.push(status);
      reading.headers = listed(received);
    },
    onResponseData(_controller, part) {
      reading.body += part.toString('latin1');
    },
    onResponseEnd() {
      reading.outcome = 'whole';
    },
    onResponseError() {
      reading.outcome = 'broken';
    },
  };
  client.dispatch({ path: '/x', method: method as Dispatcher.HttpMethod }, handler);
  await turn();
  for (const portion of portions) {
    if (wire.destroyed) break;
    wire.push(Buffer.from(portion));
    await turn();
  }
  await turn();
  const isReusable = !wire.destroyed;
  if (isReusable) wire.push(null);
  await turn();
  await turn();
  const verdict = verdictOf(reading, isReusable);
  await client.destroy();
  return verdict;
}

/** What our client refuses and undici accepts, by content. */
const STRICTER: readonly (readonly [string, RegExp])[] = [
  ['a coding other than chunks', /transfer-encoding:(?![ \t]*chunked[ \t]*\r\n)/i],
  ['an empty line before the answer', /(?:^|\r\n\r\n)[\r\n]+HTTP/],
  ['a control character in the text after a status', /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/],
  ['a bare CR', /\r(?!\n)/],
  ['several codings', /transfer-encoding:[\s\S]*transfer-encoding:/i],
];

/** What undici wrongly refuses: 100 Continue (RFC 9110 §15.2), and a blank after a length, which it reads as a digit. */
const REFUSED_BY_UNDICI = /HTTP\/1\.1 100|content-length:[ \t]*\d+[ \t]+\r\n/i;

const TEXT = fc.stringMatching(/^[ -~]{0,12}$/);
const statusLine = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 200 OK',
      'HTTP/1.1 404 ',
      'HTTP/1.0 200 OK',
      'HTTP/1.1 204 No',
      'HTTP/1.1 304 Not',
    ),
  },
  fc.constantFrom(
    'HTTP/1.1 200',
    'HTTP/2.0 200 OK',
    'HTTP/1.1 205 x',
    'HTTP/1.1 500 \xe9',
    'HTTP/1.1 999 x',
    'HTTP/1.1 101 x',
  ),
  fc.constantFrom(
    'HTTP/1.1  200 OK',
    'http/1.1 200 OK',
    'HTTP/1.2 200 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'ICY 200 OK',
    '\r\nHTTP/1.1 200 OK',
  ),
);
const field = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom('X-A', 'Set-Cookie', 'x-b', '__proto__', 'constructor'), TEXT)
      .map(([name, value]) => `${name}: ${value}`),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'Connection: close',
      'Connection: keep-alive',
      'Connection: x, Close',
      'Keep-Alive: timeout=5',
      'Keep-Alive: timeout=1',
    ),
  },
  fc.constantFrom(
    'X-A:b',
    'X-A:\t b \t',
    'X-A:',
    'X-A : b',
    ' X-A: b',
    'X-A',
    ': b',
    'X A: b',
    'X-A: b\rc',
    'X-A: b\nc',
    'X-A: b\0',
    'X-A: b\x7f',
    'X-\xe9: b',
    'X-A: \xe9',
    'X-A: b\r\n c',
  ),
);
const framed = fc.tuple(TEXT, TEXT).chain(([first, second]) => {
  const body = first + second;
  const hex = (text: string) => text.length.toString(16);
  const chunk = (text: string, extension = '') => (text === '' ? '' : `${hex(text)}${extension}\r\n${text}\r\n`);
  const chunked = 'Transfer-Encoding: chunked';
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant([[`Content-Length: ${body.length}`], body] as const) },
    { weight: 6, arbitrary: fc.constant([[chunked], `${chunk(first)}${chunk(second)}0\r\n\r\n`] as const) },
    { weight: 2, arbitrary: fc.constant([[], body] as const) },
    fc.constantFrom(
      [[`Content-Length: ${body.length}`, chunked], `${chunk(body)}0\r\n\r\n`] as const,
      [[chunked, `Content-Length: ${body.length}`], `${chunk(body)}0\r\n\r\n`] as const,
      [[`Content-Length: ${body.length}`, `Content-Length: ${body.length}`], body] as const,
      [[`Content-Length: +${body.length}`], body] as const,
      [[`Content-Length: 0${body.length}`], body] as const,
      [['Content-Length:'], body] as const,
      [['Transfer-Encoding: gzip, chunked'], `${chunk(body)}0\r\n\r\n`] as const,
      [['Transfer-Encoding: gzip'], body] as const,
      [[chunked, chunked], `${chunk(body)}0\r\n\r\n`] as const,
      [[chunked], `${chunk(body, ';a=b;c="d;e";f')}0;g\r\nX-T: u\r\n\r\n`] as const,
      [[chunked], `${chunk(body, ';')}0\r\n\r\n`] as const,
      [[chunked], `${chunk(body, ' ')}0\r\n\r\n`] as const,
      [[chunked], `${chunk(body, ';a="\r\n"')}0\r\n\r\n`] as const,
      [[chunked], `${chunk(body)}0\r\nX T: u\r\n\r\n`] as const,
      [[chunked], `${chunk(body)}0\r\n\r`] as const,
      [[chunked], `0x${chunk(body)}0\r\n\r\n`] as const,
      [[chunked], `000000${chunk(body)}00000\r\n\r\n`] as const,
      [[chunked], `${hex(body)}\n${body}\r\n0\r\n\r\n`] as const,
      [[chunked], `${hex(body)}\r\n${body}0\r\n\r\n`] as const,
      [[chunked], `fffffffffffffffff\r\n${body}`] as const,
    ),
  );
});
const interim = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  fc.constantFrom('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 'HTTP/1.1 102 x\r\n\r\n'),
);
const excess = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  fc.constantFrom('x', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL', '0\r\n\r\n'),
);

const wholeAnswer = fc
  .record({
    interim,
    statusLine,
    before: fc.array(field, { maxLength: 3 }),
    framed,
    after: fc.array(field, { maxLength: 1 }),
    excess,
  })
  .map(
    ({ framed: [lines, body], ...it }) =>
      `${it.interim}${[it.statusLine, ...it.before, ...lines, ...it.after, '', ''].join('\r\n')}${body}${it.excess}`,
  );

/** Some of them with a byte removed, repeated or replaced. */
const answer = fc
  .record({
    text: wholeAnswer,
    change: fc.option(
      fc.record({ at: fc.nat(400), how: fc.constantFrom('', 'twice', '\r', '\n', ' ', '\0', ':', '0', ';') }),
      { freq: 3 },
    ),
  })
  .map(({ text, change }) => {
    if (change === null) return text;
    const at = change.at % text.length;
    return `${text.slice(0, at)}${change.how === 'twice' ? text.slice(at, at + 1).repeat(2) : change.how}${text.slice(at + 1)}`;
  });

function split(text: string, sizes: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const portions: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    if (at < bytes.length) portions.push(bytes.subarray(at, at + size));
    at += size;
  }
  if (at < bytes.length) portions.push(bytes.subarray(at));
  return portions;
}

const meanTheSame = (ours: Verdict, theirs: Verdict): void => {
  // Where undici does not reuse the connection, neither do we.
  expect({ ...ours, isReusable: ours.isReusable && !theirs.isReusable }).toEqual({ ...theirs, isReusable: false });
};

test('UPS-10, SMG-39: an answer in any portions is read as undici reads it, or refused for a stated reason', async () => {
  await fc.assert(
    fc.asyncProperty(
      answer,
      fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST'),
      fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 6 }),
      async (text, method, sizes) => {
        fc.pre(!REFUSED_BY_UNDICI.test(text));
        const portions = split(text, sizes);
        const ours = await readByUs(method, portions);
        const theirs = await readByUndici(method, portions);
        if (ours.outcome === 'broken') {
          const isStricter = theirs.outcome === 'broken' || STRICTER.some(([, pattern]) => pattern.test(text));
          expect({ isStricter, theirs: theirs.outcome }).toMatchObject({ isStricter: true });
        } else {
          meanTheSame(ours, theirs);
        }
      },
    ),
    { numRuns: 250 },
  );
});
