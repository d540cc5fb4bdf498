import type { ClientHttp2Stream } from 'node:http2';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { SentBody } from '../../src/upstream/http2/sent-body.ts';

test('a body that is destroyed before it has a stream fails on its first one', async () => {
  const body = new PassThrough();
  const failure = new Error('too large');
  body.on('error', () => {});
  body.destroy(failure);
  await new Promise((resolve) => body.once('close', resolve));
  const heard: Error[] = [];
  const stream = new PassThrough() as unknown as ClientHttp2Stream;
  new SentBody(body).sendTo(stream, { bodyEnded: () => {}, abort: (error) => heard.push(error) });
  expect(heard).toEqual([failure]);
});
