/** A1: no request of an application is refused, and each keeps all of the application's headers. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RECORDED, type Recorded } from './recorded.ts';

/** Headers that belong to the gateway: its own connection to the upstream, and its own cookies. */
const OWN = new Set(['connection', 'cookie']);

describe('A1: recorded requests', () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  let session: string;
  beforeAll(async () => {
    upstream = await RecordingUpstream.start();
    gateway = await startGateway({
      upstream: upstream.origin,
      routes: [{ id: 'app', match: { path: '/' }, credential: 'session' }],
    });
    session = `__Host-sid=${await gateway.sessionId()}`;
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const fill = (line: string) => line.replaceAll('{origin}', PUBLIC_ORIGIN).replace('{session}', session);

  test.for(RECORDED.map((recorded): [string, Recorded] => [`${recorded.application}, ${recorded.what}`, recorded]))(
    '%s: reaches the application with all of its headers',
    async ([, { lines }]) => {
      upstream.reset();
      const [requestLine = '', ...headers] = lines.map(fill);
      const hasBody = !requestLine.startsWith('GET ');
      await using connection = await RawConnection.open(gateway.port);
      const length = hasBody ? ['Content-Length: 0'] : [];
      connection.write([requestLine, HOST, ...headers, ...length, '', ''].join('\r\n'));
      // For a handshake too: the application of this test does not accept it.
      expect((await connection.response()).status).toBe(200);
      const names = new Map(
        headers.map((line): [string, string] => [nameOf(line), line.slice(nameOf(line).length + 2)]),
      );
      for (const [name, value] of names) {
        if (!OWN.has(name)) expect([name, upstream.last.values(name)]).toEqual([name, [value]]);
      }
      expect(upstream.last.values('cookie').join()).not.toMatch(/__Host-/);
      expect(upstream.last.values('upgrade')).toEqual(names.has('upgrade') ? ['websocket'] : []);
    },
  );

  test('without a session get an answer that scripts can tell from a page', async () => {
    for (const { lines } of RECORDED) {
      const [requestLine = '', ...headers] = lines
        .map(fill)
        .filter((line) => !/^(?:cookie|upgrade|connection):/i.test(line));
      await using connection = await RawConnection.open(gateway.port);
      const length = requestLine.startsWith('GET ') ? [] : ['Content-Length: 0'];
      connection.write([requestLine, HOST, ...headers, ...length, '', ''].join('\r\n'));
      const { status, headers: answered } = await connection.response();
      const isPage = headers.includes('Sec-Fetch-Mode: navigate');
      expect([requestLine, status]).toEqual([requestLine, 401]);
      expect(answered.get('content-type')).toBe(isPage ? 'text/html; charset=utf-8' : 'application/problem+json');
    }
  });
});

const nameOf = (line: string) => line.slice(0, line.indexOf(':')).toLowerCase();
