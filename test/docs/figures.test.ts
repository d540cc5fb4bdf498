/**
 * The figures in SECURITY.md and docs/limits.md match the code: defaults by the configuration keys that the text names, constants by
 * their names. Each figure in a tested section is compared to one of them, in the order of the text, so no figure can be added untested.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clientLimits } from '../../src/limits/open.ts';

const ROOT = join(import.meta.dirname, '../..');
const textOf = (path: string) => readFileSync(join(ROOT, path), 'utf8');

type Schema = { readonly default?: unknown; readonly properties?: Readonly<Record<string, Schema>> } & {
  readonly additionalProperties?: Schema;
};
const SCHEMA = JSON.parse(textOf('config/sallyport.schema.json')) as Schema;

/** The bytes, milliseconds or number that a text such as `16 KiB`, `10s`, `1,024` or `5 minutes` states. */
function figureOf(text: string): number {
  const [, digits = '', unit = ''] = /^([\d,]+) ?([A-Za-z]*)$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new Error(`no figure: ${text}`);
  return Number(digits.replaceAll(',', '')) * factor;
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, B: 1, bytes: 1, KiB: 1024, MiB: 1024 ** 2 },
  ...{ s: 1_000, seconds: 1_000, min: 60_000, minutes: 60_000, h: 3_600_000 },
};

/** The default of a key of the configuration, with its path from the top. */
function defaultOf(key: string): number {
  const at = key.split('.').reduce<Schema | undefined>((schema, name) => {
    return name === '*' ? schema?.additionalProperties : schema?.properties?.[name];
  }, SCHEMA);
  const value = at?.default;
  if (typeof value !== 'number' && typeof value !== 'string') throw new Error(`${key} has no default`);
  return figureOf(String(value));
}

/** The default of a key below `listeners.public`. */
const front = (key: string) => defaultOf(`listeners.public.${key}`);

/** A constant, or a member of one, by its name in a source file: a product or sum of numbers. */
function constantOf(path: string, name: string): number {
  const [, text] = new RegExp(`\\b${name}(?: =|:) ([\\d_ *+]+)[;,}]`).exec(textOf(`src/${path}`)) ?? [];
  if (text === undefined) throw new Error(`${path} has no number ${name}`);
  return text
    .replaceAll('_', '')
    .split('+')
    .reduce((sum, product) => sum + product.split('*').reduce((all, factor) => all * Number(factor), 1), 0);
}

const FIGURE = /(?<![\w/.-])\d[\d,]*(?: (?:KiB|MiB|bytes|seconds|s|minutes|min|h)\b)?(?!\w|[/.-]\w)/g;

/** All figures in a text, except those in links, protocol names and HTTP statuses. */
const figuresIn = (text: string): number[] =>
  (
    text
      .replace(/\[[^\]]*\]\([^)]*\)/g, '')
      .replace(/(?:HTTP|TLS)\/[\d.]+|\b(?:40[0138]|421|413|429|431|50[34])\b/g, '')
      .match(FIGURE) ?? []
  ).map((figure) => figureOf(figure.replace(/,$/, '')));

/** The text between a heading of a document and the next. */
function sectionOf(path: string, heading: string): string {
  const [, text] = new RegExp(`^## ${heading}\\n([\\s\\S]*?)^## `, 'm').exec(textOf(path)) ?? [];
  if (text === undefined) throw new Error(`${path} has no section ${heading}`);
  return text;
}

/** The figures of every row of the tables in a section of docs/limits.md, from the column with the bounds. */
function rowsOf(heading: string): number[][] {
  return sectionOf('docs/limits.md', heading)
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\| (?:---|phase|case)/.test(line))
    .map((line) => figuresIn(line.split(' | ')[1] as string));
}

const linger = (name: string) => constantOf('listener/http1/linger.ts', name);
/** The time without any bytes from the client, the time with some, and the least bytes per second. */
const LINGERING = [
  ...[linger('checkMs'), linger('checkMs') * linger('maxChecks')],
  (linger('leastBytes') / linger('checkMs')) * 1_000,
];
const CONNECTIONS = defaultOf('upstreams.*.maxConnections');
const TIMES_THE_REST = constantOf('upstream/servers/shares.ts', 'TIMES_THE_REST');
/** The limits for one client address, where the gateway terminates TLS. */
const CLIENT = clientLimits({
  publicOrigin: ['https://shop.example.com'],
  listeners: { public: { tls: {}, trustedProxies: [], limits: {} } },
});
const SOCKETS = constantOf('listener/http1/acceptors.ts', 'SOCKETS');
const WINDOWS = constantOf('listener/http2/pace.ts', 'SEND_TIMEOUTS_PER_WINDOW');
const STREAM_WINDOW = constantOf('listener/http2/connection.ts', 'STREAM_WINDOW_BYTES');
const IDLE_WITH_BYTES_MS = front('timeouts.keepAlive') + front('timeouts.headers');
const GRPC_STREAMS = constantOf('listener/grpc/server.ts', 'maxConcurrentStreams');

describe('SECURITY.md', () => {
  test('Slow and greedy clients', () => {
    const section = sectionOf('SECURITY.md', 'Slow and greedy clients');
    expect(front('timeouts.handshake')).toBe(front('timeouts.headers'));
    expect(front('limits.minUploadRate')).toBe(front('limits.minDownloadRate'));
    expect(figuresIn(section)).toEqual([
      ...['headers', 'bodyIdle', 'send', 'keepAlive'].map((name) => front(`timeouts.${name}`)),
      ...[IDLE_WITH_BYTES_MS, front('timeouts.transfer')],
      ...LINGERING,
      front('limits.minUploadRate'),
      defaultOf('upstreams.*.timeouts.pending'),
      ...[CLIENT.connections, CLIENT.requests, defaultOf('session.maxRequests')],
      ...[Math.floor((TIMES_THE_REST * CONNECTIONS) / (TIMES_THE_REST + 1)), CONNECTIONS],
    ]);
  });

  test('HTTP/2', () => {
    expect(figuresIn(sectionOf('SECURITY.md', 'HTTP/2'))).toEqual([
      ...['maxStreamResets', 'maxControlFrames', 'maxConcurrentStreams', 'maxConnectionMemory'].map((name) =>
        front(`limits.${name}`),
      ),
      STREAM_WINDOW,
      front('timeouts.send') * WINDOWS,
    ]);
    expect(constantOf('listener/http2/connection.ts', 'SECONDS_PER_WINDOW')).toBe(60);
  });

  test('The authorizer listeners', () => {
    expect(figuresIn(sectionOf('SECURITY.md', 'The authorizer listeners'))).toEqual([
      defaultOf('listeners.grpcAuthorizer.maxMessageBytes'),
      GRPC_STREAMS,
    ]);
  });
});

describe('docs/limits.md', () => {
  const upstream = (key: string) => defaultOf(`upstreams.*.${key}`);
  const bodyIdle = front('timeouts.bodyIdle');

  test('The life of a connection', () => {
    expect(constantOf('listener/http1/pace.ts', 'SEND_TIMEOUTS_PER_WINDOW')).toBe(WINDOWS);
    const bounds: [row: string, figures: number[]][] = [
      ['it waits to be accepted', [front('limits.backlog'), SOCKETS]],
      ['it is opened', [front('limits.maxConnections')]],
      ['', [CLIENT.connections]],
      ['TLS handshake', [front('timeouts.handshake')]],
      ['before the first byte, and request headers', [front('timeouts.headers')]],
      ['', [front('limits.maxHeaderBytes'), front('limits.maxHeaderCount')]],
      ['request body: its first bytes', [bodyIdle]],
      ['request body: its pace', [front('limits.minUploadRate'), bodyIdle]],
      ['a whole request', [front('timeouts.transfer')]],
      ["body of one of the gateway's own endpoints", [constantOf('endpoints/body.ts', 'MAX_BODY_BYTES'), bodyIdle]],
      ['waiting for a connection to an upstream', [upstream('timeouts.pending'), upstream('maxPending')]],
      ['streams on one HTTP/2 connection to an upstream', [upstream('maxStreams')]],
      ['silence in both directions of a gRPC call', [upstream('timeouts.idle')]],
      ["the upstream's answer", ['connect', 'firstByte', 'idle'].map((name) => upstream(`timeouts.${name}`))],
      ['a client that reads nothing of its answer', [front('timeouts.send')]],
      ['a client that reads its answer slowly', [front('limits.minDownloadRate'), front('timeouts.send') * WINDOWS]],
      ['a whole answer, counting only the time that it waits for its client', [front('timeouts.transfer')]],
      ['pipelined requests', [constantOf('listener/http1/server.ts', 'MAX_PIPELINED_REQUESTS')]],
      ['after an answer that closes the connection', LINGERING],
      ['idle between two requests', [front('timeouts.keepAlive')]],
      [
        'idle, while bytes arrive that begin no request, or the rest of a refused body trickles in',
        [IDLE_WITH_BYTES_MS],
      ],
      ['a question over gRPC', [defaultOf('listeners.grpcAuthorizer.maxMessageBytes')]],
      [
        'questions in progress on one gRPC connection',
        [GRPC_STREAMS, constantOf('listener/grpc/server.ts', 'maxConnectionMemory')],
      ],
      ['a WebSocket', []],
      ['requests in progress on one connection', [front('limits.maxConcurrentStreams')]],
      ['headers', []],
      ['requests abandoned before their answer', [front('limits.maxStreamResets')]],
      ['PING and SETTINGS frames', [front('limits.maxControlFrames')]],
      ['protocol memory of one connection', [front('limits.maxConnectionMemory')]],
      ['unread request bodies', [STREAM_WINDOW]],
      ['a client that reads nothing of its answer', [front('timeouts.send') * WINDOWS]],
      ['a connection that accepts no more requests and still has some in progress', [front('timeouts.send')]],
      ['a connection without requests', [front('timeouts.keepAlive')]],
    ];
    expect(rowsOf('The life of a connection')).toEqual(bounds.map(([, figures]) => figures));
  });

  test('the admin listener', () => {
    const [sentence = ''] = /The admin listener has its own[^\n]*/.exec(textOf('docs/limits.md')) ?? [];
    const admin = (name: string) => constantOf('admin/admin-listener.ts', name);
    const times = ['headersTimeout', 'requestTimeout', 'keepAliveTimeout'];
    expect(figuresIn(sentence)).toEqual([...times.map(admin), admin('MAX_CONNECTIONS')]);
  });
});
