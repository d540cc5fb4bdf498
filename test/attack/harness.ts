/**
 * The stage for the attack catalogue: a whole gateway, a client that writes raw TCP and an upstream that records every byte. A
 * case is one {@link Row}; {@link Stage.play} sends its bytes and judges three things: the answer to the client, what the
 * upstream received, and the state of the connection. In every row, the upstream never receives a session id or anything that a
 * strict server would reject.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayOptions, HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { CODE, END_STREAM, type Field, FRAME, frame, RawHttp2, type RawOutcome } from '../support/http2/client.ts';
import { RawConnection, type RawResponse } from '../support/raw-client.ts';
import { type Answer, type RecordedRequest, RecordingUpstream } from '../support/recording-upstream.ts';

/** Replaced by the session ids of two users when a row is played. */
export const BOB = 'Cookie: __Host-sid={bob}';
export const ADMIN = 'Cookie: __Host-sid={admin}';

/** What the upstream must have received. */
interface Seen {
  /** Request target, exactly. */
  readonly target?: string;
  /** All values of a header by lower-case name; an empty list means that it is absent. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string;
  /** Each occurs somewhere in its byte log, byte for byte. */
  readonly has?: readonly string[];
  /** None occurs in its byte log, in any letter case. */
  readonly lacks?: readonly string[];
}

export interface Expectation {
  /** Status of the answer; `null` if the connection must end without one. */
  readonly status: number | null;
  /** `reason` of the problem document. */
  readonly reason?: string | undefined;
  /** What the upstream received. Default: one request if the status is below 400, else nothing. */
  readonly upstream?: Seen | 'nothing';
  /**
   * `closed`: the connection ends after the answer, and a request that was sent right after is neither answered nor
   * forwarded. `in-sync`: a second request on it is read and answered correctly.
   */
  readonly connection: 'closed' | 'in-sync';
  /** Further checks of the answer. */
  readonly also?: (answer: RawResponse) => void;
}

/** One case. */
export interface Row {
  /** In the attack catalogue. */
  readonly id: string;
  /** The observable fact, in the present tense. */
  readonly what: string;
  /** What the client sends, Latin-1. `{bob}` and `{admin}` stand for session ids. */
  readonly bytes: string;
  /** What the upstream answers, Latin-1. Default: 200 with a short body. */
  readonly answer?: string;
  readonly expect: Expectation;
}

/** A whole request head with the Host header in front. */
export function head(requestLine: string, ...lines: readonly string[]): string {
  return [`${requestLine} HTTP/1.1`, HOST, ...lines, '', ''].join('\r\n');
}

/** The same request as a WebSocket handshake from one of our own pages. */
export function asUpgrade(bytes: string): string {
  return bytes.replace(
    /\r\n/,
    [
      '',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Origin: https://shop.example.com',
      '',
    ].join('\r\n'),
  );
}

/** The routes of the stage: for everyone, for any user, and for admins only. */
export const ROUTES: NonNullable<GatewayOptions['routes']> = [
  { id: 'public', match: { path: '/public' }, credential: 'none' },
  { id: 'status', match: { exactPath: '/status' }, credential: 'none' },
  { id: 'echo', match: { path: '/echo' }, credential: 'none', passAuthorization: true },
  { id: 'api', match: { path: '/api' }, credential: 'session', rewrite: { stripPrefix: '/api' } },
  { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] } },
  { id: 'optional', match: { path: '/optional' }, credential: { session: 'optional' } },
  {
    id: 'app',
    match: { path: '/' },
    credential: 'session',
    csrf: 'off',
    identityHeaders: {
      'X-User-Id': 'subject',
      'X-User-Email': 'user.email',
      'X-Tenant': 'user.tenant',
    },
  },
];

const FOLLOWER = '/public/follower';

export class Stage implements AsyncDisposable {
  readonly gateway: TestGateway;
  readonly upstream: RecordingUpstream;
  readonly #sessionIds: Readonly<Record<string, string>>;
  readonly #usualAnswer: Answer;
  readonly #options: GatewayOptions;
  /** A second stage with the same upstream, which also speaks HTTP/2; `null` until a row is played there. */
  #http2: Promise<Stage> | null = null;

  private constructor(
    gateway: TestGateway,
    upstream: RecordingUpstream,
    sessionIds: Record<string, string>,
    options: GatewayOptions,
  ) {
    this.#options = options;
    this.gateway = gateway;
    this.upstream = upstream;
    this.#usualAnswer = upstream.answer;
    this.#sessionIds = sessionIds;
  }

  /** Starts a gateway and its upstream. */
  static async start(options: GatewayOptions = {}, answer?: Answer): Promise<Stage> {
    return Stage.#on(await RecordingUpstream.start(answer), options);
  }

  static async #on(upstream: RecordingUpstream, options: GatewayOptions): Promise<Stage> {
    const gateway = await startGateway({ routes: ROUTES, upstream: upstream.origin, ...options });
    const sessionIds = {
      bob: await gateway.sessionId('bob', { roles: ['customer'], email: 'bob@example.com' }),
      admin: await gateway.sessionId('ann', { roles: ['admin'] }),
    };
    return new Stage(gateway, upstream, sessionIds, options);
  }

  /** Fills the session ids into the bytes of a row. */
  fill(bytes: string): string {
    return bytes.replace(/\{(bob|admin)\}/g, (_, user: string) => this.#sessionIds[user] ?? '');
  }

  /**
   * Plays a row.
   *
   * @param byteByByte  sends every byte on its own, so that no two are read together (SMG-36)
   */
  async play({ bytes, answer: reply, expect: expected }: Row, byteByByte = false): Promise<void> {
    this.upstream.reset();
    this.upstream.answer =
      reply === undefined ? this.#usualAnswer : (_request, socket) => void socket.write(reply, 'latin1');
    await using connection = await RawConnection.open(this.gateway.port);
    const isClosed = expected.connection === 'closed';
    const sent = this.fill(isClosed ? `${bytes}${head(`GET ${FOLLOWER}`)}` : bytes);
    await write(connection, sent, byteByByte);
    if (expected.status !== null) {
      const answer = await connection.response({ isHead: bytes.startsWith('HEAD ') });
      judgeAnswer(answer, expected);
    }
    if (isClosed) expect((await connection.remainder()).toString('latin1')).toBe('');
    else await this.#follow(connection, byteByByte);
    this.#judgeUpstream(expected);
  }

  /** Plays the same row as a WebSocket handshake: refused or not, the connection accepts no other request. */
  async playAsHandshake({ bytes, expect: expected, ...others }: Row): Promise<void> {
    await this.play({ ...others, bytes: asUpgrade(bytes), expect: { ...expected, connection: 'closed' } });
  }

  /**
   * Plays the same row over HTTP/2: the client and the upstream get the same, and other streams of the connection continue.
   * Only for rows that {@link canBeHttp2}.
   */
  async playHttp2(row: Row): Promise<void> {
    this.#http2 ??= Stage.#on(this.upstream, withHttp2(this.#options));
    await (await this.#http2).#playHttp2(row);
  }

  async #playHttp2({ bytes, answer: reply, expect: expected }: Row): Promise<void> {
    this.upstream.reset();
    this.upstream.answer =
      reply === undefined ? this.#usualAnswer : (_request, socket) => void socket.write(reply, 'latin1');
    await using connection = await RawHttp2.open(this.gateway.port);
    const { fields, body } = asHttp2(this.fill(bytes)) as Http2Request;
    const data = body === '' ? [] : [frame(FRAME.data, END_STREAM, 1, body)];
    const outcome = await connection.request(1, fields, ...data);
    judgeOutcome(outcome, expected);
    const requests = this.upstream.requests.length;
    this.upstream.answer = this.#usualAnswer;
    const follower = await connection.request(3, followerOf(fields));
    expect(follower).toMatchObject({ status: 200, reset: null });
    expect(this.upstream.requests).toHaveLength(requests + 1);
    this.upstream.requests.pop();
    this.#judgeUpstream(expected, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#http2 !== null) await (await this.#http2).gateway[Symbol.asyncDispose]();
    await this.gateway[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }

  /** Sends a second request and expects the correct answer. */
  async #follow(connection: RawConnection, byteByByte: boolean): Promise<void> {
    const before = this.upstream.requests.length;
    this.upstream.answer = this.#usualAnswer;
    await write(connection, head(`GET ${FOLLOWER}`), byteByByte);
    const answer = await connection.response();
    expect(answer.status).toBe(200);
    expect(this.upstream.requests).toHaveLength(before + 1);
    expect(targetOf(this.upstream.last)).toBe(FOLLOWER);
    this.upstream.requests.pop();
  }

  /** @param keepsCase  whether names keep the letter case of the row */
  #judgeUpstream(expected: Expectation, keepsCase = true): void {
    const { upstream } = this;
    expect(upstream.problems).toEqual([]);
    for (const id of Object.values(this.#sessionIds)) expect(upstream.text).not.toContain(id);
    const seen = expected.upstream ?? ((expected.status ?? 400) < 400 ? {} : 'nothing');
    if (seen === 'nothing') {
      expect(upstream.requests.map((request) => request.head)).toEqual([]);
      return;
    }
    expect(upstream.requests).toHaveLength(1);
    judgeRequest(upstream.last, seen);
    const received = keepsCase ? upstream.text : upstream.text.toLowerCase();
    for (const text of seen.has ?? []) expect(received).toContain(keepsCase ? text : text.toLowerCase());
    for (const text of seen.lacks ?? []) expect(upstream.text.toLowerCase()).not.toContain(text.toLowerCase());
  }
}

/**
 * Tests every row on one stage, over HTTP/2 as well where it {@link canBeHttp2}.
 *
 * @returns the stage, for the other tests of the same `describe`
 */
export function playTable(rows: readonly Row[], options: GatewayOptions = {}): () => Stage {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start(options);
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.for(rows)('$id: $what', (row) => stage.play(row));

  test.for(rows.filter(canBeHttp2))('over HTTP/2, $id: $what', (row) => stage.playHttp2(row));
  return () => stage;
}

interface Http2Request {
  readonly fields: readonly Field[];
  readonly body: string;
}

const withHttp2 = ({ config = {}, ...others }: GatewayOptions): GatewayOptions => {
  const listeners = {
    public: { address: '127.0.0.1:0' },
    admin: { address: '127.0.0.1:0' },
    ...(config['listeners'] as object),
  };
  return {
    ...others,
    config: { ...config, listeners: { ...listeners, public: { ...listeners.public, http2: true } } },
  };
};

/** Headers that HTTP/2 forbids: `http2.test.ts` tests that they are refused there. */
const CONNECTION_SPECIFIC = /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade|http2-settings|te)$/;
const CONNECTION_UPGRADE = /^connection: upgrade$/i;
const UPGRADE = /^upgrade: websocket$/i;
const KEY = /^sec-websocket-key: [A-Za-z0-9+/]{21}[AQgw]==$/i;
/** Without control characters: `http2.test.ts` tests those. */
const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)$/;
/** What fits into one frame. */
const MAX_BYTES = 15_000;

/** The request of a row in HTTP/2; `null` if HTTP/2 cannot express it. */
function asHttp2(bytes: string): Http2Request | null {
  const end = bytes.indexOf('\r\n\r\n');
  const [requestLine = '', ...lines] = bytes.slice(0, end).split('\r\n');
  const [, method, path] = /^([A-Z]+) (\/\S*) HTTP\/1\.1$/.exec(requestLine) ?? [];
  if (end === -1 || bytes.length > MAX_BYTES || method === undefined || path === undefined) return null;
  const isHandshake = [CONNECTION_UPGRADE, UPGRADE, KEY].every(
    (form) => lines.filter((line) => form.test(line)).length === 1,
  );
  const isOfHandshake = (line: string) =>
    isHandshake && [CONNECTION_UPGRADE, UPGRADE, KEY].some((form) => form.test(line));
  const fields: Field[] = [];
  for (const line of lines.filter((each) => !isOfHandshake(each))) {
    const [, name, value = ''] = LINE.exec(line) ?? [];
    if (name === undefined || CONNECTION_SPECIFIC.test(name.toLowerCase())) return null;
    fields.push([name.toLowerCase(), value]);
  }
  const hosts = fields.filter(([name]) => name === 'host');
  const [first] = hosts;
  // Host may repeat :authority.
  if (first === undefined || hosts.slice(1).some(([, host]) => host === first[1])) return null;
  if (isHandshake && method !== 'GET') return null;
  const body = bytes.slice(end + 4);
  const length = fields.find(([name]) => name === 'content-length')?.[1];
  // `http2.test.ts` tests bodies that are longer than announced.
  if ((body !== '') !== (length !== undefined) || Number(length) < body.length) return null;
  const pseudo: Field[] = [
    [':method', isHandshake ? 'CONNECT' : method],
    ...(isHandshake ? [[':protocol', 'websocket'] as const] : []),
    [':scheme', 'http'],
    [':path', path],
    [':authority', first[1]],
  ];
  return { fields: [...pseudo, ...fields.filter((field) => field !== first)], body };
}

/** Whether HTTP/2 can express a row, and the row has an answer. */
export const canBeHttp2 = ({ bytes, expect: { status } }: Row): boolean => status !== null && asHttp2(bytes) !== null;

const followerOf = (fields: readonly Field[]): readonly Field[] => {
  const pseudo: Readonly<Record<string, string>> = {
    ':method': 'GET',
    ':path': FOLLOWER,
    ':authority': HOST.slice('Host: '.length),
  };
  return fields
    .filter(([name]) => name.startsWith(':') && name !== ':protocol')
    .map(([name, value]) => [name, pseudo[name] ?? value]);
};

/** Where the HTTP/1.1 parser answers 400, the HTTP/2 parser resets the stream (RFC 9113 §8.1.1) or a later stage refuses it. */
function judgeOutcome(outcome: RawOutcome, { status, reason }: Expectation): void {
  if (status === 400 && outcome.status === null) {
    expect(outcome.reset).toBe(CODE.protocol);
    return;
  }
  const told = outcome.body.startsWith('{') ? (JSON.parse(outcome.body) as { reason?: unknown }).reason : undefined;
  const isKnown = reason !== undefined && reason !== 'request_malformed';
  expect({ status: outcome.status, reason: told }).toMatchObject({ status, ...(isKnown && { reason }) });
}

async function write(connection: RawConnection, bytes: string, byteByByte: boolean): Promise<void> {
  if (!byteByByte) {
    connection.write(bytes);
    return;
  }
  for (const byte of Buffer.from(bytes, 'latin1')) {
    if (connection.isEnded) return;
    connection.write(Buffer.of(byte));
    // The gateway shares this event loop: after this turn, it has read the byte.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function judgeAnswer(answer: RawResponse, { status, reason, connection, also }: Expectation): void {
  expect({ status: answer.status, reason: reasonOf(answer) }).toMatchObject({
    status,
    ...(reason !== undefined && { reason }),
  });
  if (connection === 'closed') expect(answer.headers.get('connection')).toBe('close');
  also?.(answer);
}

function reasonOf(answer: RawResponse): unknown {
  if (answer.headers.get('content-type') !== 'application/problem+json' || answer.body.length === 0) return undefined;
  return (JSON.parse(answer.body.toString()) as { reason: unknown }).reason;
}

function judgeRequest(request: RecordedRequest, seen: Seen): void {
  if (seen.target !== undefined) expect(targetOf(request)).toBe(seen.target);
  for (const [name, values] of Object.entries(seen.headers ?? {})) {
    expect({ [name]: request.values(name) }).toEqual({ [name]: values });
  }
  if (seen.body !== undefined) expect(request.body.toString('latin1')).toBe(seen.body);
}

/** The request target of a recorded request. */
export const targetOf = (request: RecordedRequest): string => request.head.split(' ')[1] ?? '';
