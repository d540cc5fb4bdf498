/**
 * The stage on which the attack catalogue is played: a whole gateway, a client of bare TCP and an upstream that records
 * every byte. A case is one {@link Row}; {@link Stage.play} sends its bytes and judges three things: what the client is
 * told, what the upstream got, and what has become of the connection. Whatever the row says, the upstream never gets a
 * session id, nor anything that a strict server would object to.
 */

import { expect } from 'vitest';
import { type GatewayOptions, HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, type RawResponse } from '../support/raw-client.ts';
import { type Answer, type RecordedRequest, RecordingUpstream } from '../support/recording-upstream.ts';

/** Replaced by the session ids of two users when a row is played. */
export const BOB = 'Cookie: __Host-sid={bob}';
export const ADMIN = 'Cookie: __Host-sid={admin}';

/** What the upstream must have got. */
interface Seen {
  /** Request target, exactly. */
  readonly target?: string;
  /** All values of a header by lower-case name; an empty list means that it is absent. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string;
  /** Somewhere in its byte log, byte for byte. */
  readonly has?: readonly string[];
  /** Nowhere in its byte log, whatever the case. */
  readonly lacks?: readonly string[];
}

export interface Expectation {
  /** Status of the answer; `null` when the connection has to end without one. */
  readonly status: number | null;
  /** `reason` of the problem document. */
  readonly reason?: string | undefined;
  /** What the upstream got. Left out: one request when the status is below 400, else nothing. */
  readonly upstream?: Seen | 'nothing';
  /**
   * `closed`: the connection ends after the answer, and a request that was sent right behind is neither answered nor
   * forwarded. `in-sync`: a second request on it is read and answered rightly.
   */
  readonly connection: 'closed' | 'in-sync';
  /** More about the answer. */
  readonly also?: (answer: RawResponse) => void;
}

/** One case. */
export interface Row {
  /** Of the attack catalogue. */
  readonly id: string;
  /** The observable fact, in the present tense. */
  readonly what: string;
  /** What the client sends, Latin-1. `{bob}` and `{admin}` stand for session ids. */
  readonly bytes: string;
  /** What the upstream answers, Latin-1. Left out: 200 with a short body. */
  readonly answer?: string;
  readonly expect: Expectation;
}

/** A whole request head with the Host header in front. */
export function head(requestLine: string, ...lines: readonly string[]): string {
  return [`${requestLine} HTTP/1.1`, HOST, ...lines, '', ''].join('\r\n');
}

/** The same request as a WebSocket handshake from our own page. */
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

/** The routes of the stage: what is public, what any user may see, and what only admins may. */
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

  private constructor(gateway: TestGateway, upstream: RecordingUpstream, sessionIds: Record<string, string>) {
    this.gateway = gateway;
    this.upstream = upstream;
    this.#usualAnswer = upstream.answer;
    this.#sessionIds = sessionIds;
  }

  /** Starts a gateway and its upstream. */
  static async start(options: GatewayOptions = {}, answer?: Answer): Promise<Stage> {
    const upstream = await RecordingUpstream.start(answer);
    const gateway = await startGateway({ routes: ROUTES, upstream: upstream.origin, ...options });
    return new Stage(gateway, upstream, {
      bob: await gateway.sessionId('bob', { roles: ['customer'], email: 'bob@example.com' }),
      admin: await gateway.sessionId('ann', { roles: ['admin'] }),
    });
  }

  /** Puts the session ids into the bytes of a row. */
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }

  /** Sends a second request and sees it answered rightly. */
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

  #judgeUpstream(expected: Expectation): void {
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
    for (const text of seen.has ?? []) expect(upstream.text).toContain(text);
    for (const text of seen.lacks ?? []) expect(upstream.text.toLowerCase()).not.toContain(text.toLowerCase());
  }
}

async function write(connection: RawConnection, bytes: string, byteByByte: boolean): Promise<void> {
  if (!byteByByte) {
    connection.write(bytes);
    return;
  }
  for (const byte of Buffer.from(bytes, 'latin1')) {
    if (connection.isEnded) return;
    connection.write(Buffer.of(byte));
    // The gateway shares this event loop: it has read the byte when the loop comes round.
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
