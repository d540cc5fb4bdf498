/**
 * traces: the spans of a request that is recorded, by the OpenTelemetry SDK; nothing at all for the others.
 *
 * A span of the request as a server, one for the request to the upstream, and one for each thing in between that takes
 * time: a command to the store, a token that is signed, verified, exchanged or fetched. Attributes come from the
 * configuration, from closed sets, and from counting: never a path with its values, a query, a subject, an id, an
 * address or a token (test/e2e/secrets.test.ts greps the spans as well).
 *
 * Nothing here fails a request.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Attributes, HrTime, Span } from '@opentelemetry/api';
import { GatewayFault, type Reason } from '../../errors.ts';
import { hostAndPort } from '../../lib/address.ts';
import type { Clocks } from '../../lib/clock.ts';
import { formatTraceparent, type TraceContext } from '../../lib/http/trace-context.ts';
import type { FinishedRequest } from '../finished-request.ts';
import { methodLabel } from '../route-series.ts';

/** What a span stands for. */
type SpanRole = 'server' | 'client' | 'internal';

/** A span that begins. */
export interface NewSpan {
  readonly name: string;
  readonly role: SpanRole;
  readonly startTime: HrTime;
  /** `null` begins a trace. */
  readonly parent: TraceContext | null;
  /** Of a remote parent: passed on and exported as it came. */
  readonly tracestate?: string | null;
  /** A related trace that it does not continue. */
  readonly link?: TraceContext | null;
}

/** Makes spans: the SDK, which is loaded only where traces are configured. */
export interface SpanMaker {
  start(span: NewSpan): Span;
}

/** What is done for a request, as spans name it, with what each stands for. */
const STEPS = {
  'verify token': 'internal',
  'mint token': 'internal',
  'exchange token': 'internal',
  'hash password': 'internal',
  'fetch token': 'client',
} as const satisfies Readonly<Record<string, SpanRole>>;

/** More spans than this below one request say nothing more. */
const MAX_STEPS = 64;

/** What the exchange knows when it is over, and a finished request does not say. */
interface Outcome {
  readonly status: number;
  /** Monotonic. */
  readonly endedMs: number;
  /** Since its login; `null` without a session. */
  readonly sessionAgeMs: number | null;
}

/** The request that the work under way is for, where it is recorded. */
const CURRENT = new AsyncLocalStorage<RequestTrace>();

/** The spans of one request. */
export class RequestTrace {
  readonly traceId: string;
  readonly spanId: string;
  readonly #context: TraceContext;
  readonly #maker: SpanMaker;
  readonly #clocks: Clocks;
  /** Wall clock at the start of the monotonic one, as it was when the request came: a clock that steps moves no span. */
  readonly #originMs: number;
  readonly #server: Span;
  readonly #onEnd: () => void;
  #upstream: Span | null = null;
  #upstreamOrigin: string | null = null;
  #sends = 0;
  #path: string | null = null;
  #storeLookups = 0;
  #steps = 0;
  #isOver = false;

  /**
   * Begins the span of the request.
   *
   * @param context    the trace that it continues, or is related to
   * @param startedMs  monotonic
   */
  constructor(
    maker: SpanMaker,
    context: Pick<NewSpan, 'parent' | 'tracestate' | 'link'>,
    startedMs: number,
    clocks: Clocks,
    onEnd: () => void,
  ) {
    this.#maker = maker;
    this.#clocks = clocks;
    this.#originMs = clocks.wallMs() - clocks.monotonicMs();
    this.#onEnd = onEnd;
    const startTime = this.#time(startedMs);
    this.#server = maker.start({ name: 'HTTP', role: 'server', startTime, ...context });
    const { traceId, spanId } = this.#server.spanContext();
    this.traceId = traceId;
    this.spanId = spanId;
    this.#context = { traceId, spanId, flags: flagsBelow(context.parent) };
  }

  /** Does the work of the request: spans that begin in it are below that of the request. */
  run<A extends readonly unknown[], R>(work: (...parameters: A) => R, ...parameters: A): R {
    return CURRENT.run(this, work, ...parameters);
  }

  /** What matched: a path as written in the configuration, with its parameters by name. */
  matched(path: string): void {
    this.#path = path;
  }

  /** Begins the span of the request to the upstream; once. @returns the `traceparent` for it */
  upstreamParent(): string {
    const startTime = this.#time(this.#clocks.monotonicMs());
    this.#upstream ??= this.#maker.start({ name: 'HTTP', role: 'client', startTime, parent: this.#context });
    return formatTraceparent({ ...this.#context, spanId: this.#upstream.spanContext().spanId });
  }

  /** The request goes to this server of its upstream. */
  sentTo(origin: string): void {
    this.#upstreamOrigin = origin;
    this.#sends += 1;
  }

  /** Does a part of the work in a span. */
  step<T>(name: string, role: SpanRole, attributes: Attributes, work: () => T): T {
    if (this.#isOver || this.#steps >= MAX_STEPS) return work();
    this.#steps += 1;
    const startTime = this.#time(this.#clocks.monotonicMs());
    const span = this.#maker.start({ name, role, startTime, parent: this.#context });
    span.setAttributes(attributes);
    try {
      const done = work();
      if (!(done instanceof Promise)) this.#endStep(span);
      else
        done.then(
          () => this.#endStep(span),
          (fault: unknown) => this.#endStep(span, fault),
        );
      return done;
    } catch (fault) {
      this.#endStep(span, fault);
      throw fault;
    }
  }

  /** Counts a command to the store. */
  noteStoreLookup(): void {
    this.#storeLookups += 1;
  }

  /** The request is over: ends its spans. */
  end(request: FinishedRequest, outcome: Outcome): void {
    this.#isOver = true;
    const { status, endedMs, sessionAgeMs } = outcome;
    const { route, reason, principal, httpVersion, listener, screened } = request;
    const method = methodLabel(screened?.method ?? request.method);
    this.#endUpstream(request, method, outcome);
    // A request with an unknown method is named by the protocol (semantic conventions for HTTP spans).
    this.#server.updateName([method === '_OTHER' ? 'HTTP' : method, this.#path ?? ''].join(' ').trimEnd());
    this.#server.setAttributes({
      'http.request.method': method,
      'http.response.status_code': status,
      'network.protocol.version': httpVersion,
      'sallyport.listener': listener.name,
      'sallyport.store.lookups': this.#storeLookups,
      ...(this.#path !== null && { 'http.route': this.#path }),
      ...(route !== null && { 'sallyport.route': route.id }),
      ...(principal !== null && { 'sallyport.principal.kind': principal.kind }),
      ...(sessionAgeMs !== null && { 'sallyport.session.age': Math.max(0, Math.round(sessionAgeMs / 1_000)) }),
      ...(reason !== null && { 'sallyport.reason': reason }),
    });
    if (status >= 500) fail(this.#server, reason ?? String(status));
    this.#server.end(this.#time(endedMs));
    this.#onEnd();
  }

  #endUpstream(request: FinishedRequest, method: string, { endedMs }: Outcome): void {
    const span = this.#upstream;
    if (span === null) return;
    const { route, reason, dispatchedMs, firstByteMs, upstreamEndedMs, isTunnel, reply } = request;
    const status = firstByteMs === null ? null : isTunnel ? 101 : reply.status;
    span.updateName(method === '_OTHER' ? 'HTTP' : method);
    span.setAttributes({
      'http.request.method': method,
      ...(route !== null && { 'sallyport.upstream': route.upstream }),
      ...(this.#upstreamOrigin !== null && serverAttributes(this.#upstreamOrigin)),
      ...(status !== null && { 'http.response.status_code': status }),
      ...(this.#sends > 1 && { 'http.request.resend_count': this.#sends - 1 }),
    });
    // Until then it waited: for the body of the request, for its share, for a connection.
    if (dispatchedMs !== null) span.addEvent('sent', this.#time(dispatchedMs));
    if (firstByteMs !== null) span.addEvent('first byte', this.#time(firstByteMs));
    if (status === null) fail(span, reason ?? 'upstream');
    else if (status >= 400) fail(span, String(status));
    span.end(this.#time(upstreamEndedMs ?? endedMs));
  }

  #endStep(span: Span, fault?: unknown): void {
    if (fault !== undefined) fail(span, fault instanceof GatewayFault ? fault.reason : 'bug');
    span.end(this.#time(this.#clocks.monotonicMs()));
  }

  /** A monotonic time, as the SDK takes it. */
  #time(monotonicMs: number): HrTime {
    const wallMs = this.#originMs + monotonicMs;
    const seconds = Math.floor(wallMs / 1_000);
    return [seconds, Math.min(999_999_999, Math.round((wallMs - seconds * 1_000) * 1_000_000))];
  }
}

/** Does a part of the work for a request, as a span where that is recorded. */
export function inSpan<T>(step: keyof typeof STEPS, work: () => T): T {
  const trace = CURRENT.getStore();
  return trace === undefined ? work() : trace.step(step, STEPS[step], {}, work);
}

/**
 * The same for a command to a store in another process.
 *
 * @param system     a value of `db.system.name`
 * @param operation  of a closed set
 */
export function inStoreSpan<T>(system: 'redis', operation: string, work: () => T): T {
  const trace = CURRENT.getStore();
  if (trace === undefined) return work();
  trace.noteStoreLookup();
  const attributes = { 'db.system.name': system, 'db.operation.name': operation };
  return trace.step(`store ${operation}`, 'client', attributes, work);
}

/** Recorded; that the trace id is random is what the parent says of it, and true of those made here. */
const flagsBelow = (parent: TraceContext | null): number => 1 | (parent === null ? 2 : parent.flags & 2);

/** `SpanStatusCode.ERROR` of the API, which is not loaded where nothing is traced. */
const ERROR_STATUS = 2;

function fail(span: Span, type: Reason | string): void {
  span.setAttribute('error.type', type).setStatus({ code: ERROR_STATUS });
}

function serverAttributes(origin: string): Attributes {
  const url = new URL(origin.replace(/^h2c:/, 'http:'));
  const { host, port } = hostAndPort(url);
  return { 'url.scheme': url.protocol.slice(0, -1), 'server.address': host, 'server.port': port };
}
