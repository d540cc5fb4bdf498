/**
 * gRPC calls as bytes: framing, statuses, deadlines, streams and floods, by clients that write frames by hand and
 * Node's own HTTP/2 client. `listener.test.ts` and `go-client.test.ts` test with real gRPC clients.
 */

import { spawnSync } from 'node:child_process';
import type { ClientHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  answerOf,
  CODE,
  END_STREAM,
  type Field,
  FRAME,
  frame,
  Http2Client,
  headersFrame,
  post,
  RawHttp2,
  resetFrame,
  uint32,
  windowUpdate,
} from '../../support/http2/client.ts';
import { until } from '../../support/until.ts';
import { AuthorizerStage } from '../stage.ts';
import { attributesOf, CheckClient, PROTOS } from './client.ts';

const CHECK = CheckClient.method.path;
const HEALTH = '/grpc.health.v1.Health/Check';
const WATCH = '/grpc.health.v1.Health/Watch';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const GRPC = { te: 'trailers', 'content-type': 'application/grpc' };

const framed = (message: Uint8Array, flag = 0) => Buffer.concat([Buffer.of(flag), uint32(message.byteLength), message]);
const QUESTION = framed(
  CheckClient.method.requestSerialize({ attributes: { request: { http: attributesOf([], { path: '/public' }) } } }),
);
/** The head of a call, as in frames. */
const fieldsOf = (path: string): readonly Field[] => [
  ...post(path),
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
];

let stage: AuthorizerStage;
let port: number;
beforeAll(async () => {
  stage = await AuthorizerStage.start({ grpc: { reflection: true, maxMessageBytes: '64KiB' } });
  port = stage.gateway.portOf('grpcAuthorizer');
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Sends a body in parts, each in its own frame, and returns the answer. */
async function call(path: string, parts: readonly Buffer[], headers: Record<string, string | string[]> = {}) {
  await using client = Http2Client.plain(port);
  const stream = client.begin({ ':method': 'POST', ':path': path, ...GRPC, ...headers }, null);
  for (const part of parts) stream.write(part);
  stream.end();
  return await answerOf(stream);
}

/** The status of a call, and whether it came in the head of the answer (`Trailers-Only`). */
const outcome = ({ status, headers, trailers, code }: Awaited<ReturnType<typeof call>>) => {
  expect([status, headers['content-type'], code]).toEqual([200, 'application/grpc', CODE.none]);
  return headers['grpc-status'] === undefined
    ? [Number(trailers?.['grpc-status']), 'after messages']
    : [Number(headers['grpc-status']), 'at once'];
};

describe('gRPC over HTTP/2: one message', () => {
  test('the answer is one message, and its status a trailer', async () => {
    const answer = await call(CHECK, [QUESTION]);
    expect(outcome(answer)).toEqual([0, 'after messages']);
    const bytes = Buffer.from(answer.body, 'latin1');
    expect([bytes[0], bytes.readUInt32BE(1)]).toEqual([0, bytes.byteLength - 5]);
    expect(CheckClient.method.responseDeserialize(bytes.subarray(5)).status.code).toBe(0);
  });

  test('the question may arrive in any number of parts', async () => {
    const bytes = [...QUESTION].map((byte) => Buffer.of(byte));
    expect(outcome(await call(CHECK, bytes))).toEqual([0, 'after messages']);
    expect(outcome(await call(CHECK, [QUESTION.subarray(0, 5), QUESTION.subarray(5)]))).toEqual([0, 'after messages']);
  });

  test.each([
    ['no message', [], 12],
    ['two messages', [QUESTION, QUESTION], 12],
    ['a part of a prefix', [Buffer.of(0, 0)], 13],
    ['a message that ends early', [QUESTION.subarray(0, -1)], 13],
    ['a message and the beginning of another', [QUESTION, Buffer.of(0)], 13],
    ['a compressed message without a compression in the head', [framed(Buffer.from('x'), 1)], 13],
    ['bytes that are not a CheckRequest', [framed(Buffer.of(0x0a, 0xff, 0xff))], 13],
    ['a message over maxMessageBytes', [framed(Buffer.alloc(65_537))], 8],
    ['a message that announces 4 GiB', [Buffer.from([0, 0xff, 0xff, 0xff, 0xff])], 8],
  ])('doc/statuscodes.md: %s fails', async (_, parts, status) => {
    expect(outcome(await call(CHECK, parts))).toEqual([status, 'at once']);
  });

  test('RFC 9113 §8.1: a client whose message is too large is told not to send the rest', async () => {
    await using raw = await RawHttp2.open(port);
    const head = headersFrame(1, fieldsOf(CHECK), 0);
    raw.write(head, frame(FRAME.data, 0, 1, Buffer.from([0, 0x00, 0x20, 0x00, 0x00])));
    await until(() => raw.of(FRAME.reset, 1).length > 0, 'the stream is closed');
    expect(raw.of(FRAME.reset, 1)[0]?.payload.readUInt32BE()).toBe(CODE.none);
    expect(raw.of(FRAME.headers, 1)).toHaveLength(1);
  });
});

describe('gRPC over HTTP/2: heads that do not begin a call', () => {
  test.each([
    ['another method', '/envoy.service.auth.v3.Authorization/Other', {}, 12],
    ['another spelling of the method', CHECK.toLowerCase(), {}, 12],
    ['a query', `${CHECK}?a=1`, {}, 12],
    ['a malformed deadline', CHECK, { 'grpc-timeout': '1 s' }, 13],
    ['two deadlines', CHECK, { 'grpc-timeout': ['1S', '2S'] }, 13],
  ])('%s gets a status, and no question is asked', async (_, path, headers, status) => {
    const before = stage.gateway.log.records.length;
    expect(outcome(await call(path, [QUESTION], headers))).toEqual([status, 'at once']);
    expect(stage.gateway.log.records.length).toBe(before);
  });

  test('doc/compression.md: an unsupported compression is UNIMPLEMENTED, and the answer lists what is supported', async () => {
    const answer = await call(CHECK, [QUESTION], { 'grpc-encoding': 'gzip' });
    expect([...outcome(answer), answer.headers['grpc-accept-encoding']]).toEqual([12, 'at once', 'identity']);
    expect(outcome(await call(CHECK, [QUESTION], { 'grpc-encoding': 'identity' }))).toEqual([0, 'after messages']);
  });

  test.each([
    ['another content type', { ':method': 'POST', 'content-type': 'application/json' }, 415],
    ['gRPC-Web', { ':method': 'POST', 'content-type': 'application/grpc-web' }, 415],
    ['two content types in one', { ':method': 'POST', 'content-type': 'application/grpc, text/html' }, 415],
    ['no content type', { ':method': 'POST' }, 415],
    ['a GET', { ':method': 'GET', 'content-type': 'application/grpc' }, 405],
    ['a method that HTTP does not have', { ':method': 'FOO', 'content-type': 'application/grpc' }, 400],
    [
      'too many headers',
      { ':method': 'POST', ...Object.fromEntries(Array.from({ length: 101 }, (_, it) => [`x-${it}`, '1'])) },
      431,
    ],
  ])('%s gets an HTTP status', async (_, headers, status) => {
    await using client = Http2Client.plain(port);
    const answer = await client.request({ ':path': CHECK, ...(headers as Record<string, string>) });
    expect([answer.status, answer.headers['grpc-status'], answer.body]).toEqual([status, undefined, '']);
  });

  test('a refused head is logged like a refused HTTP request', async () => {
    const before = stage.gateway.log.records.length;
    await using client = Http2Client.plain(port);
    await client.request({ ':path': CHECK, ':method': 'FOO' });
    expect(stage.gateway.log.records.slice(before)).toMatchObject([
      { authorizer: true, reason: 'request_malformed', status: 400, client: '127.0.0.1' },
    ]);
  });
});

/** The messages of a method, by the library that clients use. */
function messagesOf(proto: string, service: string, name: string) {
  const definition = loadSync(proto, { includeDirs: [PROTOS], keepCase: true, enums: String });
  const { requestSerialize, responseDeserialize } = (
    definition[service] as unknown as Record<string, MethodDefinition<object, Record<string, unknown>>>
  )[name] as MethodDefinition<object, Record<string, unknown>>;
  const read = (body: Buffer) => {
    const found: Record<string, unknown>[] = [];
    for (let at = 0; at < body.byteLength; at += 5 + body.readUInt32BE(at + 1))
      found.push(responseDeserialize(body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1))));
    return found;
  };
  return { write: (message: object) => framed(requestSerialize(message)), read };
}

const health = messagesOf('grpc/health/v1/health.proto', 'grpc.health.v1.Health', 'Check');
const reflection = messagesOf(
  'grpc/reflection/v1/reflection.proto',
  'grpc.reflection.v1.ServerReflection',
  'ServerReflectionInfo',
);

describe('grpc.health.v1.Health', () => {
  test('Check answers only for services that it knows', async () => {
    const answer = await call(HEALTH, [health.write({ service: '' })]);
    expect(outcome(answer)).toEqual([0, 'after messages']);
    expect(health.read(Buffer.from(answer.body, 'latin1'))).toEqual([{ status: 'SERVING' }]);
    expect(outcome(await call(HEALTH, [health.write({ service: 'other' })]))).toEqual([5, 'at once']);
    expect(outcome(await call(HEALTH, [framed(Buffer.of(0xff))]))).toEqual([13, 'at once']);
  });

  test('List names the process and the service', async () => {
    const list = messagesOf('grpc/health/v1/health.proto', 'grpc.health.v1.Health', 'List');
    const { body } = await call('/grpc.health.v1.Health/List', [list.write({})]);
    const status = { status: 'SERVING' };
    expect(list.read(Buffer.from(body, 'latin1'))).toEqual([
      { statuses: { '': status, 'envoy.service.auth.v3.Authorization': status } },
    ]);
  });

  test('Watch reports the start of a drain, and ends with UNAVAILABLE', async () => {
    await using own = await AuthorizerStage.start({ config: { shutdown: { delay: '0s' } } });
    await using watching = Http2Client.plain(own.gateway.portOf('grpcAuthorizer'));
    const stream = watching.begin({ ':method': 'POST', ':path': WATCH, ...GRPC }, null);
    stream.end(health.write({ service: '' }));
    const answer = answerOf(stream);
    await new Promise((resolve) => stream.once('data', resolve));
    await own.gateway.gateway.drain();
    const { body, trailers } = await answer;
    expect(health.read(Buffer.from(body, 'latin1'))).toEqual([{ status: 'SERVING' }, { status: 'NOT_SERVING' }]);
    expect(trailers?.['grpc-status']).toBe('14');
  });
});

describe('grpc.reflection.v1.ServerReflection', () => {
  const ask = async (path: string, ...requests: readonly object[]) => {
    const answer = await call(path, requests.map(reflection.write));
    expect(outcome(answer)).toEqual([0, 'after messages']);
    return reflection.read(Buffer.from(answer.body, 'latin1'));
  };

  test('both versions list the services, on one stream with other questions', async () => {
    for (const version of ['v1', 'v1alpha']) {
      const answers = await ask(
        REFLECTION.replace('v1', version),
        { host: 'a', list_services: '*' },
        { file_containing_symbol: 'envoy.service.auth.v3.Authorization.Check' },
        { file_by_filename: 'google/protobuf/duration.proto' },
        { file_containing_symbol: 'envoy.service.auth.v3.AttributeContext.Peer' },
      );
      expect(answers).toMatchObject([
        { valid_host: 'a', original_request: { host: 'a', list_services: '*' }, list_services_response: {} },
        { file_descriptor_response: {} },
        { file_descriptor_response: { file_descriptor_proto: [expect.any(Buffer)] } },
        { file_descriptor_response: {} },
      ]);
      const { file_descriptor_proto: files = [] } = (answers[1]?.['file_descriptor_response'] ?? {}) as {
        file_descriptor_proto?: Buffer[];
      };
      // With all its imports, each once.
      expect(new Set(files.map(String)).size).toBe(files.length);
      expect(files.some((file) => String(file).includes('google/protobuf/descriptor.proto'))).toBe(true);
    }
  });

  test('extensions are found by the message that they extend', async () => {
    const [numbers] = await ask(REFLECTION, { all_extension_numbers_of_type: 'google.protobuf.FieldOptions' });
    const { extension_number: found = [] } = (numbers?.['all_extension_numbers_response'] ?? {}) as {
      extension_number?: number[];
    };
    expect(found.length).toBeGreaterThan(0);
    const extension = { containing_type: 'google.protobuf.FieldOptions', extension_number: found[0] };
    const [file] = await ask(REFLECTION, { file_containing_extension: extension });
    expect(file).toHaveProperty('file_descriptor_response');
  });

  test.each([
    [{ file_by_filename: '../../../etc/passwd' }, 5],
    [{ file_containing_symbol: '__proto__' }, 5],
    [{ file_containing_extension: { containing_type: 'a.b', extension_number: 1 } }, 5],
    [{ all_extension_numbers_of_type: 'constructor' }, 5],
    [{}, 12],
  ])('answers %j with an error, and keeps the stream open', async (request, code) => {
    const answers = await ask(REFLECTION, request, { list_services: '*' });
    expect(answers).toMatchObject([{ error_response: { error_code: code } }, { list_services_response: {} }]);
  });

  test('a client that asks without reading gets back-pressure, so its answers do not fill memory', async () => {
    await using raw = await RawHttp2.open(port);
    const question = reflection.write({ file_containing_symbol: 'envoy.service.auth.v3.Authorization' });
    const before = process.memoryUsage().arrayBuffers;
    raw.write(headersFrame(1, fieldsOf(REFLECTION), 0));
    // As many as fit in the window of a stream: 1,000 questions, with answers of 60 kB.
    const part = Buffer.concat(Array.from({ length: Math.floor(16_000 / question.byteLength) }, () => question));
    for (let count = 0; count < 4; count += 1) raw.write(frame(FRAME.data, 0, 1, part));
    raw.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await until(() => raw.of(FRAME.ping).length > 0, 'the server has read them');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
    // The stream continues when the client reads.
    raw.write(windowUpdate(1, 2 ** 30), windowUpdate(0, 2 ** 30));
    const bytes = () => raw.of(FRAME.data, 1).reduce((sum, { payload }) => sum + payload.byteLength, 0);
    await until(() => bytes() > 1024 * 1024, 'many have been answered');
    expect(raw.isEnded).toBe(false);
  });
});

describe('floods', () => {
  /** Begins calls and abandons each, until the server closes the connection or has read all of them. */
  async function abandon(target: number, count: number): Promise<RawHttp2> {
    const raw = await RawHttp2.open(target);
    for (let stream = 1; stream < 2 * count; stream += 2)
      raw.write(headersFrame(stream, fieldsOf(CHECK), 0), resetFrame(stream));
    raw.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await until(() => raw.isEnded || raw.of(FRAME.ping).length > 0, 'the flood is over');
    return raw;
  }

  test('H2-01: rapid reset costs a client that is not a proxy its connection', async () => {
    await using own = await AuthorizerStage.start({}, ['192.0.2.1']);
    await using raw = await abandon(own.gateway.portOf('grpcAuthorizer'), 2_000);
    // Where many come in one packet, nghttp2 ends the connection itself.
    expect([CODE.calm, CODE.internal]).toContain(await raw.ended());
    expect(await own.gateway.metrics.text()).toMatch(/connections_cut_total\{reason="flood"\} 1\n/);
  });

  test('H2-01: clients that abort do not cost their proxy its connection', async () => {
    await using raw = await abandon(port, 2_000);
    raw.write(headersFrame(9_001, fieldsOf(CHECK), 0), frame(FRAME.data, END_STREAM, 9_001, QUESTION));
    expect(await raw.outcome(9_001)).toMatchObject({ status: 200, reset: null });
  });

  test('H2-04: a flood of PING costs the connection', async () => {
    await using raw = await RawHttp2.open(port);
    const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
    const many = Buffer.concat(Array.from({ length: 100 }, () => ping));
    for (let answered = 0; !raw.isEnded; answered += 100) {
      raw.write(many);
      await until(() => raw.isEnded || raw.of(FRAME.ping).length >= answered + 100, 'they are answered');
    }
    expect(await raw.ended()).toBe(CODE.calm);
  });

  test('a message that never ends is cut off after timeouts.transfer', async () => {
    const listeners = {
      public: { address: '127.0.0.1:0', timeouts: { transfer: '1s', headers: '1s' } },
      admin: { address: '127.0.0.1:0' },
      authorizer: { address: '127.0.0.1:0', peers: ['127.0.0.1'] },
      grpcAuthorizer: { address: '127.0.0.1:0', peers: ['127.0.0.1'] },
    };
    await using own = await AuthorizerStage.start({ config: { listeners } });
    await using slow = Http2Client.plain(own.gateway.portOf('grpcAuthorizer'));
    const stream = slow.begin({ ':method': 'POST', ':path': CHECK, ...GRPC }, null);
    stream.write(QUESTION.subarray(0, 20));
    const { headers } = await answerOf(stream);
    expect(headers['grpc-status']).toBe('4');
  });
});

test('a deadline that passes before the answer ends the call with DEADLINE_EXCEEDED', async () => {
  // The reflection service waits for its client, which sends nothing.
  await using client = Http2Client.plain(port);
  const stream = client.begin({ ':method': 'POST', ':path': REFLECTION, ...GRPC, 'grpc-timeout': '20m' }, null);
  const { headers } = await answerOf(stream);
  expect(headers['grpc-status']).toBe('4');
});

test('calls that end in any order, on either side, leave nothing behind', async () => {
  let state = 36;
  const roll = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const ends: readonly ((stream: ClientHttp2Stream) => void)[] = [
    (stream) => stream.end(),
    (stream) => stream.close(CODE.cancel),
    (stream) => setImmediate(() => stream.close(CODE.cancel)),
    (stream) => stream.destroy(),
    (stream) => stream.end(Buffer.of(1)),
  ];
  const bodies = [
    QUESTION,
    QUESTION.subarray(0, 9),
    Buffer.concat([QUESTION, QUESTION]),
    health.write({ service: '' }),
  ];
  const paths = [CHECK, HEALTH, WATCH, REFLECTION, '/none'];
  for (let round = 0; round < 20; round += 1) {
    await using own = Http2Client.plain(port);
    const closed = Array.from({ length: 20 }, () => {
      const path = paths[roll(paths.length)] as string;
      const timeout = { 'grpc-timeout': `${1 + roll(5)}m` };
      const stream = own.begin({ ':method': 'POST', ':path': path, ...GRPC, ...timeout }, null);
      if (roll(4) > 0) stream.write(bodies[roll(bodies.length)]);
      const over = new Promise((resolve) => stream.on('close', resolve));
      stream.resume();
      (ends[roll(ends.length)] as (typeof ends)[number])(stream);
      return over;
    });
    if (roll(3) === 0) own.session.destroy();
    await Promise.all(closed);
  }
  await until(() => stage.gateway.gateway.requestsInFlight === 0, 'no question is in progress');
  expect(outcome(await call(CHECK, [QUESTION]))).toEqual([0, 'after messages']);
  expect(stage.gateway.log.records.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
});

test('the services need no other library for the protos’ imports', () => {
  const services = join(import.meta.dirname, '../../../src/authorizer/grpc/services.ts');
  const program = `import { openServices } from ${JSON.stringify(services)};
    const { methods } = await openServices({}, {}, true); console.log(methods.size);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect([stdout, stderr]).toEqual(['6\n', '']);
});
