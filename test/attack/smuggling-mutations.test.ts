/**
 * SMG-43: every byte in every place of a Transfer-Encoding header where some parser has been lenient, each with a body that
 * hides a request from parsers that read it by its chunks, and with one that hides it from parsers that read it by its length.
 * The test checks what must never happen, however the gateway reads the header.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawConnection } from '../support/raw-client.ts';
import { head, Stage, targetOf } from './harness.ts';

const TEMPLATES: readonly ((character: string) => string)[] = [
  (c) => `Transfer-Encoding:${c}chunked`,
  (c) => `Transfer-Encoding:${c} chunked`,
  (c) => `Transfer-Encoding${c}: chunked`,
  (c) => `Transfer${c}Encoding: chunked`,
  (c) => `${c}Transfer-Encoding: chunked`,
  (c) => `Transfer-Encoding: chunked${c}`,
  (c) => `Transfer-Encoding: ${c}${c}chunked`,
  (c) => `Transfer-Encoding: chun${c}ked`,
  (c) => `Transfer-Encoding: chunked${c}X: X`,
  (c) => `Transfer-Encoding: chunked\r${c}X: X`,
  (c) => `Transfer-Encoding: chunked${c}\nX: X`,
  (c) => `X: X${c}Transfer-Encoding: chunked`,
  (c) => `X: X\r${c}Transfer-Encoding: chunked`,
  (c) => `X: X${c}\nTransfer-Encoding: chunked`,
];

const HIDDEN = 'GET /public/hidden HTTP/1.1\r\nHost: shop.example.com\r\nX-Rest: ';

/** A parser of chunks sees a request after the last one; a parser of the length sees a body. */
const forChunks = (mutation: string) =>
  `${head('POST /public/x', mutation, `Content-Length: ${HIDDEN.length + 5}`)}0\r\n\r\n${HIDDEN}`;
/** The other way round. */
const forLength = (mutation: string) => {
  const size = HIDDEN.length.toString(16);
  return `${head('POST /public/x', mutation, `Content-Length: ${size.length + 2}`)}${size}\r\n${HIDDEN}\r\n0\r\n\r\n`;
};

const MUTATIONS = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).flatMap((character) =>
  TEMPLATES.flatMap((template) => [forChunks(template(character)), forLength(template(character))]),
);

describe('mutations of Transfer-Encoding', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  async function send(bytes: string): Promise<number> {
    await using connection = await RawConnection.open(stage.gateway.port);
    connection.write(`${bytes}${head('GET /public/follower', 'Connection: close')}`);
    return Number((await connection.remainder()).toString('latin1').split(' ')[1]);
  }

  test(`SMG-43: ${MUTATIONS.length} mutations smuggle no request`, async () => {
    const statuses = new Map<number, number>();
    for (let next = 0; next < MUTATIONS.length; next += 64) {
      for (const status of await Promise.all(MUTATIONS.slice(next, next + 64).map(send))) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
    expect(new Set(statuses.keys())).toEqual(new Set([200, 400]));
    expect(statuses.get(200)).toBeGreaterThan(0);
    expect(stage.upstream.problems).toEqual([]);
    expect(new Set(stage.upstream.requests.map(targetOf))).toEqual(new Set(['/public/x', '/public/follower']));
    for (const request of stage.upstream.requests) {
      const names = request.head
        .split('\r\n')
        .slice(1)
        .map((line) => line.slice(0, line.indexOf(':')));
      // Next to the length, there is no spelling of it that another parser could accept.
      const spellings = names.filter((name) => name.toLowerCase().replace(/[^a-z0-9]/g, '-') === 'transfer-encoding');
      expect(spellings).toEqual([]);
      if (targetOf(request) === '/public/x') expect(request.values('content-length')).toHaveLength(1);
    }
  });
});
