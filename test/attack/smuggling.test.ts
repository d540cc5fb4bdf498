/**
 * §2.5: where one request ends and the next one begins. Anything that two parsers could read differently is refused, and the
 * connection closed. Anything that is accepted is reframed, so that the upstream has nothing to interpret. Every case is also
 * sent byte by byte (SMG-36).
 */

import { describe, expect, test } from 'vitest';
import { HOST } from '../support/gateway.ts';
import { RawConnection } from '../support/raw-client.ts';
import type { Answer } from '../support/recording-upstream.ts';
import { ADMIN, asUpgrade, BOB, type Expectation, head, playTable, type Row, targetOf } from './harness.ts';

const CHUNKED = 'Transfer-Encoding: chunked';
/** What an attacker would like the upstream to read as a separate request. */
const HIDDEN = 'GET /public/hidden HTTP/1.1\r\nHost: shop.example.com\r\n\r\n';

const MALFORMED: Expectation = { status: 400, connection: 'closed' };
const BAD_VERSION: Expectation = { status: 505, reason: 'http_version_unsupported', connection: 'closed' };
const AMBIGUOUS: Expectation = { status: 400, reason: 'request_ambiguous', connection: 'closed' };

const post = (id: string, what: string, lines: readonly string[], body: string, expected: Expectation): Row => ({
  id,
  what,
  bytes: `${head('POST /public/x', ...lines)}${body}`,
  expect: expected,
});
const refused = (id: string, what: string, lines: readonly string[], body = '', expected = MALFORMED): Row =>
  post(id, `${what} is refused`, lines, body, expected);
/** A chunked body that the parser does not accept. */
const badChunks = (id: string, what: string, body: string, expected: Expectation = MALFORMED): Row =>
  refused(id, what, [CHUNKED], body, expected);
/** The same for any request. */
const raw = (id: string, what: string, bytes: string, expected: Expectation = MALFORMED): Row => ({
  id,
  what: `${what} is refused`,
  bytes,
  expect: expected,
});
/** Forwarded with this body and a single framing. */
const framed = (
  id: string,
  what: string,
  bytes: string,
  body: string,
  headers: Record<string, string[]> = {},
): Row => ({
  id,
  what,
  bytes,
  expect: { status: 200, upstream: { body, headers }, connection: 'in-sync' },
});

const ROWS: readonly Row[] = [
  refused('SMG-01', 'CL.TE', ['Content-Length: 6', CHUNKED], '0\r\n\r\nG'),
  refused(
    'SMG-01',
    'CL.TE that hides a request',
    [`Content-Length: ${HIDDEN.length + 5}`, CHUNKED],
    `0\r\n\r\n${HIDDEN}`,
  ),
  refused('SMG-02', 'TE.CL', [CHUNKED, 'Content-Length: 4'], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`),
  refused('SMG-03', 'Content-Length twice, the same', ['Content-Length: 2', 'Content-Length: 2'], 'hi'),
  refused('SMG-03', 'Content-Length twice, different', ['Content-Length: 2', 'Content-Length: 3'], 'hi!'),
  refused('SMG-03', 'Content-Length twice, in different letter case', ['Content-Length: 0', 'content-length: 2'], 'hi'),
  refused('SMG-04', 'Content-Length: 1, 1', ['Content-Length: 1, 1'], 'h'),
  ...['+1', '-1', '0x1', '1_0', '1e1', '1.0', '', '1 ', '\t1', '1;', '"1"', '１'].map((length) =>
    ['1 ', '\t1'].includes(length)
      ? framed(
          'SMG-05',
          `Content-Length ${JSON.stringify(length)} is read as 1`,
          `${head('POST /public/x', `Content-Length:${length}`)}h`,
          'h',
          {
            'content-length': ['1'],
          },
        )
      : refused('SMG-05', `Content-Length ${JSON.stringify(length)}`, [`Content-Length: ${length}`], 'h'),
  ),
  ...['01', '010', '0000000000001', '00'].map((length) =>
    refused('SMG-06', `Content-Length ${length}`, [`Content-Length: ${length}`], 'h', AMBIGUOUS),
  ),
  ...['18446744073709551616', '99999999999999999999999', '-0'].map((length) =>
    refused('SMG-07', `Content-Length ${length}`, [`Content-Length: ${length}`], 'h'),
  ),
  refused('SMG-07', 'Content-Length 2^53 + 1', ['Content-Length: 9007199254740993'], 'h', AMBIGUOUS),
  ...['xchunked', '"chunked"', 'chunked;q=1', 'chunke', 'chunkedx', 'chunked chunked', 'cHuNkEd1', 'identity'].map(
    (coding) => refused('SMG-08', `Transfer-Encoding ${coding}`, [`Transfer-Encoding: ${coding}`], '0\r\n\r\n'),
  ),
  framed(
    'SMG-08',
    'chunked is recognized in any letter case',
    `${head('POST /public/x', 'transfer-encoding: Chunked')}2\r\nhi\r\n0\r\n\r\n`,
    'hi',
    {
      'transfer-encoding': ['chunked'],
    },
  ),
  refused('SMG-09', 'Transfer-Encoding ,chunked', ['Transfer-Encoding: ,chunked'], '0\r\n\r\n'),
  refused('SMG-09', 'Transfer-Encoding , chunked', ['Transfer-Encoding:  , chunked'], '0\r\n\r\n'),
  refused('SMG-10', 'Transfer-Encoding chunked,', ['Transfer-Encoding: chunked,'], '0\r\n\r\n'),
  refused('SMG-10', 'Transfer-Encoding chunked, identity', ['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'),
  refused('SMG-10', 'Transfer-Encoding chunked, chunked', ['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n'),
  refused(
    'SMG-10',
    'Transfer-Encoding identity with Content-Length',
    ['Transfer-Encoding: identity', 'Content-Length: 2'],
    'hi',
  ),
  refused('SMG-11', 'Transfer-Encoding gzip, chunked', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n', AMBIGUOUS),
  refused('SMG-11', 'Transfer-Encoding gzip', ['Transfer-Encoding: gzip'], '0\r\n\r\n'),
  refused('SMG-12', 'a folded Transfer-Encoding', ['Transfer-Encoding:\r\n chunked'], '0\r\n\r\n'),
  refused('SMG-12', 'a folded header', ['X-A: b\r\n\tTransfer-Encoding: chunked', 'Content-Length: 2'], 'hi'),
  refused('SMG-12', 'Transfer-Encoding twice', [CHUNKED, CHUNKED], '0\r\n\r\n'),
  refused('SMG-12', 'Transfer-Encoding twice, different', [CHUNKED, 'Transfer-Encoding: identity'], '0\r\n\r\n'),
  ...['\x0b', '\x0c', '\0', '\x1f', '\x85', '\xa0'].flatMap((character) => [
    refused(
      'SMG-12',
      `${JSON.stringify(character)} before chunked`,
      [`Transfer-Encoding:${character}chunked`],
      '0\r\n\r\n',
    ),
    refused(
      'SMG-12',
      `${JSON.stringify(character)} after chunked`,
      [`Transfer-Encoding: chunked${character}`],
      '0\r\n\r\n',
    ),
  ]),
  framed(
    'SMG-12',
    'a tab before chunked is white space',
    `${head('POST /public/x', 'Transfer-Encoding:\tchunked')}2\r\nhi\r\n0\r\n\r\n`,
    'hi',
  ),
  framed(
    'SMG-13',
    'Transfer_Encoding is dropped, and the body is framed by Content-Length',
    `${head('POST /public/x', 'Transfer_Encoding: chunked', 'Transfer.Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n`,
    '0\r\n\r\n',
    { 'content-length': ['5'], transfer_encoding: [], 'transfer.encoding': [], 'transfer-encoding': [] },
  ),
  framed(
    'SMG-13',
    'Content_Length is dropped, and the body is framed by Transfer-Encoding',
    `${head('POST /public/x', CHUNKED, 'Content_Length: 100')}2\r\nhi\r\n0\r\n\r\n`,
    'hi',
    { content_length: [], 'content-length': [] },
  ),
  refused('SMG-14', 'white space before the colon', ['Content-Length : 5'], 'hello'),
  refused('SMG-14', "white space before Transfer-Encoding's colon", ['Transfer-Encoding : chunked'], '0\r\n\r\n'),
  refused('SMG-14', 'white space before a name', [' Content-Length: 5'], 'hello'),
  {
    id: 'SMG-15',
    what: 'Transfer-Encoding on HTTP/1.0 is refused',
    bytes: `POST /public/x HTTP/1.0\r\n${HOST}\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`,
    expect: AMBIGUOUS,
  },
  ...['GET', 'DELETE', 'OPTIONS', 'PUT', 'PATCH', 'POST'].flatMap((method) => [
    framed(
      'SMG-16',
      `${method} with Content-Length keeps its body and its framing`,
      `${head(`${method} /public/x`, 'Content-Length: 3')}abc`,
      'abc',
      {
        'content-length': ['3'],
        'transfer-encoding': [],
      },
    ),
    framed(
      'SMG-16',
      `${method} with a chunked body keeps its body and its framing`,
      `${head(`${method} /public/x`, CHUNKED)}3\r\nabc\r\n0\r\n\r\n`,
      'abc',
      {
        'content-length': [],
        'transfer-encoding': ['chunked'],
      },
    ),
    framed(
      'SMG-16',
      `${method} with a body that looks like a request keeps it`,
      `${head(`${method} /public/x`, `Content-Length: ${HIDDEN.length}`)}${HIDDEN}`,
      HIDDEN,
      {
        'content-length': [String(HIDDEN.length)],
      },
    ),
    framed(
      'SMG-16',
      `${method} with Content-Length: 0 has no body`,
      head(`${method} /public/x`, 'Content-Length: 0'),
      '',
      { 'transfer-encoding': [] },
    ),
    framed(
      'SMG-16',
      `${method} with an empty chunked body has no body`,
      `${head(`${method} /public/x`, CHUNKED)}0\r\n\r\n`,
      '',
      { 'transfer-encoding': [] },
    ),
  ]),
  framed(
    'SMG-16',
    'HEAD with a body keeps it and its framing',
    `${head('HEAD /public/x', 'Content-Length: 3')}abc`,
    'abc',
    { 'content-length': ['3'] },
  ),
  ...[HIDDEN, 'x'.repeat(200_000)].flatMap((body): Row[] => {
    const lines = [`Content-Length: ${body.length}`];
    const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const what = body === HIDDEN ? 'that looks like a request' : 'of 200 kB';
    return [
      {
        id: 'SMG-17',
        what: `the body ${what} of a request refused with 401 is read and discarded`,
        bytes: `${head('POST /x', ...lines)}${body}`,
        expect: { status: 401, connection: 'in-sync' },
      },
      {
        id: 'SMG-17',
        what: `the chunked body ${what} of a request refused with 401 is read and discarded`,
        bytes: `${head('POST /x', CHUNKED)}${chunks}`,
        expect: { status: 401, connection: 'in-sync' },
      },
      {
        id: 'SMG-17',
        what: `the body ${what} of a redirected request is read and discarded`,
        bytes: `${head('GET /x', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', ...lines)}${body}`,
        expect: { status: 302, upstream: 'nothing', connection: 'in-sync' },
      },
      {
        id: 'SMG-17',
        what: `the body ${what} of a request that matches no route is read and discarded`,
        bytes: `${head('POST /auth/nothing', ...lines)}${body}`,
        expect: { status: 404, connection: 'in-sync' },
      },
    ];
  }),
  {
    id: 'SMG-18',
    what: 'a refused request with Expect: 100-continue closes the connection',
    bytes: head('POST /x', 'Expect: 100-continue', `Content-Length: ${HIDDEN.length}`),
    expect: { status: 401, connection: 'closed' },
  },
  {
    id: 'SMG-18',
    what: 'a request with Expect: 100-continue is forwarded with its body and without Expect',
    bytes: `${head('POST /public/x', 'Expect: 100-continue', `Content-Length: ${HIDDEN.length}`)}${HIDDEN}`,
    expect: { status: 200, upstream: { body: HIDDEN, headers: { expect: [] } }, connection: 'in-sync' },
  },
  ...['y 100-continue', '100-Continue,x', '100', 'trailers', ''].map((value) =>
    refused('SMG-19', `Expect ${JSON.stringify(value)}`, [`Expect: ${value}`, 'Content-Length: 2'], 'hi', {
      status: 417,
      reason: 'expectation_failed',
      connection: 'closed',
    }),
  ),
  refused('SMG-19', 'Expect twice', ['Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 2'], 'hi', {
    status: 417,
    reason: 'expectation_failed',
    connection: 'closed',
  }),
  ...['0x1', '+1', '-1', '1_', ' 1', '1 ', '１', '', 'g', '\t1', '1\x0b', '1.0'].map((size) =>
    badChunks('SMG-21', `chunk size ${JSON.stringify(size)}`, `${size}\r\nh\r\n0\r\n\r\n`),
  ),
  badChunks('SMG-22', 'a bare LF after a chunk size', '1\nh\r\n0\r\n\r\n'),
  badChunks('SMG-22', 'a bare LF after chunk data', '1\r\nh\n0\r\n\r\n'),
  badChunks('SMG-22', 'a bare CR after a chunk size', '1\rh\r\n0\r\n\r\n'),
  badChunks('SMG-22', 'chunk data without its CRLF', '1\r\nh0\r\n\r\n'),
  badChunks('SMG-22', 'chunk data longer than its size', '1\r\nhi\r\n0\r\n\r\n'),
  badChunks('SMG-22', 'a last chunk with a bare LF', '0\n\n'),
  badChunks('SMG-22', 'a last chunk that ends with a bare LF', '1\r\nh\r\n0\r\n\n'),
  badChunks('SMG-23', 'a chunk size of 17 digits', 'fffffffffffffffff\r\nh\r\n0\r\n\r\n'),
  framed(
    'SMG-23',
    'a chunk size with leading zeros is rewritten without them',
    `${head('POST /public/x', CHUNKED)}00000000000000001\r\nh\r\n0\r\n\r\n`,
    'h',
  ),
  badChunks('SMG-23', 'a chunk size of 2^64 + 1', '10000000000000001\r\nh\r\n0\r\n\r\n'),
  badChunks('SMG-24', 'a chunk extension that ends with a bare LF', '1;a\nh\r\n0\r\n\r\n'),
  badChunks('SMG-24', 'a chunk extension that ends with a bare CR', '1;a\rXh\r\n0\r\n\r\n'),
  badChunks('SMG-25', 'an empty chunk extension', '1;\r\nh\r\n0\r\n\r\n'),
  badChunks('SMG-25', 'a chunk extension with CRLF in quotes', '1;a="\r\nh\r\n0\r\n\r\n'),
  badChunks('SMG-25', 'a chunk extension with NUL', '1;a=\0\r\nh\r\n0\r\n\r\n'),
  badChunks('SMG-26', 'a chunk extension of 17 kB', `1;a=${'b'.repeat(17_000)}\r\nh\r\n0\r\n\r\n`, {
    status: 413,
    reason: 'body_too_large',
    connection: 'closed',
  }),
  framed(
    'SMG-26',
    'extensions of 2,000 one-byte chunks are dropped',
    `${head('POST /public/x', CHUNKED)}${'1;extension=value\r\nh\r\n'.repeat(2_000)}0\r\n\r\n`,
    'h'.repeat(2_000),
  ),
  framed(
    'SMG-27',
    'a chunk extension is not forwarded',
    `${head('POST /public/x', CHUNKED)}1;a=b\r\nh\r\n0;c="d"\r\n\r\n`,
    'h',
  ),
  raw('SMG-28', 'a header line that ends with a bare LF', `GET /public/x HTTP/1.1\r\n${HOST}\nX-A: b\r\n\r\n`),
  raw('SMG-28', 'a head of bare LFs', `GET /public/x HTTP/1.1\n${HOST}\n\n`),
  raw('SMG-28', 'a request line that ends with a bare LF', `GET /public/x HTTP/1.1\n${HOST}\r\n\r\n`),
  raw('SMG-28', 'a bare CR in a value', head('GET /public/x', 'X-A: b\rc')),
  raw('SMG-28', 'a bare CR in a name', head('GET /public/x', 'X-A\r: b')),
  raw('SMG-29', 'a head that ends with CR LF CR and another byte', `GET /public/x HTTP/1.1\r\n${HOST}\r\n\rX`),
  raw('SMG-29', 'a space before the method', ` ${head('GET /public/x')}`),
  raw('SMG-29', 'white space after the version', `GET /public/x HTTP/1.1 \r\n${HOST}\r\n\r\n`),
  framed('SMG-29', 'an empty line before the request is skipped', `\r\n${head('GET /public/x')}`, ''),
  framed('SMG-29', 'spaces before the target are read as one', head('GET   /public/x'), ''),
  raw('SMG-30', 'a line without a colon', head('GET /public/x', 'X-A')),
  raw('SMG-30', 'an empty name', head('GET /public/x', ': b')),
  raw('SMG-30', 'an 8-bit name', head('GET /public/x', 'X-\xe9: b')),
  raw('SMG-30', 'a space in a name', head('GET /public/x', 'X A: b')),
  raw('SMG-30', 'a bracket in a name', head('GET /public/x', 'X[A]: b')),
  ...[101, 2_100].map(
    (count): Row => ({
      id: 'SMG-31',
      what: `${count} header lines are refused, and a Content-Length after them hides nothing`,
      bytes: `${head('POST /public/x', ...Array.from({ length: count }, (_, at) => `A${at}: b`).slice(0, count), `Content-Length: ${HIDDEN.length}`)}${HIDDEN}`,
      expect: { status: 431, reason: 'headers_too_large', connection: 'closed' },
    }),
  ),
  ...['Host: evil.com', 'X-A: b', 'Cookie: __Host-sid=evil', 'Authorization: Bearer evil'].map((trailer) =>
    framed(
      'SMG-32',
      `the trailer ${trailer} is dropped`,
      `${head('POST /public/x', CHUNKED)}2\r\nhi\r\n0\r\n${trailer}\r\n\r\n`,
      'hi',
      { host: ['shop.example.com'], 'x-a': [], cookie: [], authorization: [] },
    ),
  ),
  ...['Content-Length: 100', 'Transfer-Encoding: chunked'].map((trailer) =>
    badChunks('SMG-32', `the trailer ${trailer}`, `2\r\nhi\r\n0\r\n${trailer}\r\n\r\n`),
  ),
  ...['X-A', ': b', 'X A: b', 'X-A : b', 'X-A: b\rc', 'X-A: b\nc', ' folded'].map((trailer) =>
    badChunks('SMG-33', `the malformed trailer ${JSON.stringify(trailer)}`, `2\r\nhi\r\n0\r\n${trailer}\r\n\r\n`),
  ),
  raw('SMG-34', 'the HTTP/2 connection preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  ...['HTTP/2.0', 'HTTP/1.2', 'HTTP/3.0', 'HTTP/0.9'].map((version) =>
    raw('SMG-34', `the version ${version}`, `GET /public/x ${version}\r\n${HOST}\r\n\r\n`, BAD_VERSION),
  ),
  ...['HTTP/1.', 'HTTP/11'].map((version) =>
    raw('SMG-34', `the malformed version ${version}`, `GET /public/x ${version}\r\n${HOST}\r\n\r\n`),
  ),
  ...['http/1.1', 'HTTPS/1.1', 'ICE/1.0', ''].map((version) =>
    raw('SMG-34', `the version ${JSON.stringify(version)}`, `GET /public/x ${version}\r\n${HOST}\r\n\r\n`),
  ),
  {
    id: 'SMG-41',
    what: 'an offer of h2c is ignored, and the answer is HTTP/1.1',
    bytes: head(
      'GET /public/x',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    ),
    expect: { status: 200, connection: 'in-sync' },
  },
  {
    id: 'SMG-42',
    what: 'CONNECT with a body is refused, and nothing after it is read',
    bytes: `CONNECT shop.example.com:443 HTTP/1.1\r\n${HOST}\r\nContent-Length: 5\r\n\r\nhello`,
    expect: { status: 405, connection: 'closed' },
  },
  {
    id: 'SMG-42',
    what: 'an upgrade with a body is refused, and nothing after it is read',
    bytes: `${asUpgrade(head('GET /public/x', 'Content-Length: 5'))}hello`,
    expect: { status: 400, reason: 'upgrade_unsupported', connection: 'closed' },
  },
  {
    id: 'SMG-42',
    what: 'an upgrade with a chunked body is refused, and nothing after it is read',
    bytes: `${asUpgrade(head('GET /public/x', CHUNKED))}0\r\n\r\n`,
    expect: { status: 400, reason: 'upgrade_unsupported', connection: 'closed' },
  },
];

describe('framing', () => {
  const stage = playTable(ROWS);

  test.for(ROWS.filter((row) => row.bytes.length < 2_000))('SMG-36: byte by byte, $id: $what', (row) =>
    stage().play(row, true),
  );

  test('SMG-35: NUL after a complete request is answered with 400 and closes the connection', async () => {
    await using connection = await RawConnection.open(stage().gateway.port);
    connection.write(`${head('GET /x')}\0${head('GET /public/follower')}`);
    expect((await connection.response()).status).toBe(401);
    expect((await connection.response()).status).toBe(400);
    expect(await connection.remainder()).toHaveLength(0);
  });

  test('SMG-37: 100 pipelined requests of two users are answered in order, each with its own identity', async () => {
    stage().upstream.answer = echoUser;
    await using connection = await RawConnection.open(stage().gateway.port);
    const users = Array.from({ length: 100 }, (_, at) => (at % 3 === 0 ? 'bob' : at % 3 === 1 ? 'admin' : null));
    const requests = users.map((user, at) =>
      user === null ? head(`GET /public/${at}`) : head(`GET /${at}`, user === 'bob' ? BOB : ADMIN),
    );
    connection.write(stage().fill(requests.join('')));
    for (const [at, user] of users.entries()) {
      const subject = user === null ? '' : user === 'admin' ? 'ann' : 'bob';
      const path = user === null ? `/public/${at}` : `/${at}`;
      expect((await connection.response()).body.toString()).toBe(`${path} ${subject}`);
    }
  });

  test('SMG-37: a request pipelined after a refused one is neither answered nor forwarded', async () => {
    stage().upstream.answer = echoUser;
    stage().upstream.reset();
    await using connection = await RawConnection.open(stage().gateway.port);
    const before = Array.from({ length: 20 }, (_, at) => head(`GET /${at}`, BOB));
    const refused = head('GET /public/../admin', ADMIN);
    connection.write(stage().fill([...before, refused, head('GET /after', ADMIN)].join('')));
    for (const at of before.keys()) expect((await connection.response()).body.toString()).toBe(`/${at} bob`);
    expect((await connection.response()).status).toBe(400);
    expect(await connection.remainder()).toHaveLength(0);
    expect(stage().upstream.requests.map(targetOf)).not.toContain('/after');
  });

  test('SMG-37: an upgrade that overtakes a pipelined request is cut off', async () => {
    stage().upstream.reset();
    await using connection = await RawConnection.open(stage().gateway.port);
    connection.write(stage().fill(`${head('GET /public/x')}${asUpgrade(head('GET /y', BOB))}`));
    expect((await connection.remainder()).toString()).not.toContain('HTTP/1.1 101');
    expect(stage().upstream.requests.map(targetOf)).not.toContain('/y');
  });

  test('SMG-37: a client that pipelines 1,000 requests is cut off', async () => {
    stage().upstream.answer = () => {};
    await using connection = await RawConnection.open(stage().gateway.port);
    connection.write(head('GET /public/x').repeat(1_000));
    expect(await connection.remainder()).toHaveLength(0);
  });
});

const echoUser: Answer = (request, socket) => {
  const body = `${targetOf(request)} ${request.values('x-user-id')[0] ?? ''}`;
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
};
