/** The access log: counts each request and writes its line, once, when the request is over. */

import { REASONS } from '../errors.ts';
import { traceIdIn } from '../lib/http/trace-context.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import type { EarlyRefusal, FinishedRequest, LoggedListener } from './finished-request.ts';
import { errorFields, type LineStream } from './log.ts';
import type { LogConfig } from './section.ts';

type Level = LogConfig['level'];
type AccessLogSettings = Pick<LogConfig, 'level' | 'access'>;

/** In the order of their severity. */
const LEVELS: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Counts a finished exchange and writes its line. */
export class AccessLog {
  readonly #stream: LineStream;
  #settings: AccessLogSettings;
  /** The second that the last line was written in, and its text. */
  #secondMs = Number.NEGATIVE_INFINITY;
  #second = '';

  constructor(stream: LineStream, settings: AccessLogSettings) {
    this.#stream = stream;
    this.#settings = settings;
  }

  configure(settings: AccessLogSettings): void {
    this.#settings = settings;
  }

  /**
   * Records a finished exchange.
   *
   * @param endedMs  monotonic time of its end
   * @param wallMs   wall-clock time of its end
   */
  record(exchange: FinishedRequest, endedMs: number, wallMs: number): void {
    const { reason, principal, dispatchedMs, firstByteMs } = exchange;
    const status = loggedStatus(exchange);
    const durationMs = endedMs - exchange.startedMs;
    const upstreamMs = upstreamPart(exchange);
    exchange.series.observe({
      method: methodOf(exchange),
      status,
      upstreamStatus: exchange.isTunnel ? 101 : exchange.reply.status,
      principalKind: principal?.kind ?? null,
      reason,
      durationMs,
      trace: exchange.trace,
      wallMs,
      overheadMs: Math.max(0, durationMs - upstreamMs),
      firstByteMs: firstByteMs === null || dispatchedMs === null ? null : firstByteMs - dispatchedMs,
      requestBytes: exchange.requestBytes,
      responseBytes: exchange.responseBytes,
      ownedHeaders: exchange.screened?.fields.ownedHeaders ?? 0,
    });

    const { access, level } = this.#settings;
    if (access === 'off' || (access === 'errors' && reason === null && status < 500)) return;
    const lineLevel = reason === null ? 'info' : REASONS[reason].logLevel;
    if (LEVELS[lineLevel] >= LEVELS[level])
      this.#stream.write(this.#line(exchange, lineLevel, status, durationMs, upstreamMs, wallMs));
  }

  /**
   * Records a refusal of something that never became an exchange. Nothing that the client sent is written: none of it
   * could be parsed.
   *
   * @param wallMs  wall-clock time of the refusal
   */
  recordRefusal({ id, reason, note, client }: EarlyRefusal, listener: LoggedListener, wallMs: number): void {
    listener.handler.unmatched.refused(reason);
    const { access, level } = this.#settings;
    const { status, logLevel } = REASONS[reason];
    if (access === 'off' || LEVELS[logLevel] < LEVELS[level]) return;
    const head = `{"level":"${logLevel}","time":"${this.#time(wallMs)}","id":"${id}"${listener.logText}`;
    this.#stream.write(`${head},${JSON.stringify({ status, client, reason, note, msg: 'request' }).slice(1)}\n`);
  }

  /**
   * The line. Strings that may hold special characters go through JSON.stringify. The others are ids, names, addresses
   * and a canonical path: earlier checks guarantee that they hold no quote, backslash or control character.
   *
   * perf: bench/micro/log.ts. The same record through pino costs four times as much.
   */
  #line(
    exchange: FinishedRequest,
    level: Level,
    status: number,
    durationMs: number,
    upstreamMs: number,
    wallMs: number,
  ): string {
    const { screened, route, principal, reason, note, trace } = exchange;
    let line = `{"level":"${level}","time":"${this.#time(wallMs)}","id":"${exchange.id}"${exchange.listener.logText}`;
    if (trace !== null) line += `,"traceId":"${trace.traceId}","spanId":"${trace.spanId}"`;
    // Passed on unchanged: the trace continues behind the gateway, without a span here.
    else if (screened !== null && screened.traceparent !== null)
      line += `,"traceId":"${traceIdIn(screened.traceparent)}"`;
    if (route !== null) line += `,"route":"${route.id}"`;
    line += `,"method":"${methodOf(exchange)}"`;
    if (exchange.httpVersion === '2') line += ',"httpVersion":"2"';
    // The query may carry secrets; a refused target is not quoted at all (LOG-02).
    if (screened !== null) line += `,"host":"${screened.host}","path":"${screened.target.path}"`;
    line += `,"status":${status},"durationMs":${milliseconds(durationMs)}`;
    if (exchange.grpcStatus !== null) line += `,"grpcStatus":${exchange.grpcStatus}`;
    if (exchange.dispatchedMs !== null) line += `,"upstreamMs":${milliseconds(upstreamMs)}`;
    line += `,"requestBytes":${exchange.requestBytes},"responseBytes":${exchange.responseBytes}`;
    line += `,"client":"${screened?.clientAddress ?? exchange.peer.address}"`;
    if (principal !== null) {
      line += `,"kind":"${principal.kind}"`;
      if (principal.subject !== null) line += `,"subject":${JSON.stringify(principal.subject)}`;
      const issuer = principal.credential?.presentedIssuer ?? null;
      if (issuer !== null) line += `,"subjectIssuer":${JSON.stringify(issuer)}`;
    }
    if (reason !== null) line += `,"reason":"${reason}"`;
    if (note !== null) line += `,"note":${JSON.stringify(note)}`;
    if (exchange.cause !== null) line += `,"fault":${JSON.stringify(errorFields(exchange.cause))}`;
    return `${line},"msg":"request"}\n`;
  }

  /** The time as text. The part up to the second is formatted once per second. */
  #time(wallMs: number): string {
    const sinceMs = wallMs - this.#secondMs;
    if (sinceMs >= 0 && sinceMs < 1_000) return `${this.#second}${FRACTIONS[Math.trunc(sinceMs)]}Z`;
    this.#secondMs = Math.floor(wallMs / 1_000) * 1_000;
    this.#second = toTimestamp(this.#secondMs).slice(0, -'.000Z'.length);
    return this.#time(wallMs);
  }
}

/** That of the request as it was read: a proxy that asks about a POST may do so with GET. */
const methodOf = ({ screened, method }: FinishedRequest): string => screened?.method ?? method;

/** The status that a finished request is counted with: 499 where the client left, 101 for a WebSocket. */
export function loggedStatus({ reason, isTunnel, reply }: FinishedRequest): number {
  if (reason === 'downstream_aborted') return 499;
  return isTunnel ? 101 : reply.status;
}

/** From sending the request to the end of the upstream's answer; milliseconds. */
function upstreamPart({ dispatchedMs, upstreamEndedMs }: FinishedRequest): number {
  return dispatchedMs === null || upstreamEndedMs === null ? 0 : upstreamEndedMs - dispatchedMs;
}

/** `.000` to `.999`. */
const FRACTIONS = Array.from({ length: 1_000 }, (_, fraction) => `.${String(fraction).padStart(3, '0')}`);

/** To the microsecond, `12.034`. Built from integers: V8 takes four times as long to format a fraction. */
function milliseconds(ms: number): string {
  const us = Math.round(ms * 1_000);
  const whole = Math.floor(us / 1_000);
  return `${whole}${FRACTIONS[us - whole * 1_000]}`;
}
