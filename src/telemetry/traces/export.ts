/**
 * Sends spans to a collector: the OpenTelemetry SDK with its OTLP exporter, loaded here and nowhere else. Spans wait in a
 * bounded queue, are sent in batches in the background, and are dropped when the collector does not take them; each is counted.
 */

import type { Span, SpanContext } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import { ConfigFault } from '../../errors.ts';
import { settledWithin } from '../../lib/concurrency/settled-within.ts';
import type { TraceContext } from '../../lib/http/trace-context.ts';
import { VERSION } from '../../version.ts';
import { errorFields, type Logger } from '../log.ts';
import type { TraceFiles } from './files.ts';
import type { NewSpan, SpanMaker } from './request-trace.ts';
import type { TracesConfig } from './section.ts';
import type { TraceSeries } from './series.ts';

/** Spans that wait to be sent; some 1 KiB each. */
const MAX_QUEUED = 2_048;
/** How long a span waits for others, to be sent with them. */
const SEND_EVERY_MS = 2_000;
/** How long the end of a process waits for a collector. */
const LAST_EXPORT_MS = 2_000;

interface ExportSurroundings {
  readonly series: TraceSeries;
  readonly log: Logger;
}

/** An open connection to a collector. */
export interface SpanExport {
  readonly maker: SpanMaker;
  /** Sends what waits, in a bounded time, and ends. */
  close(): Promise<void>;
}

/**
 * Loads the SDK and opens the export. Nothing is sent before a span has ended, so a collector that is down is not noticed here.
 *
 * @throws ConfigFault when the SDK cannot be loaded
 */
export async function openExport(
  config: TracesConfig,
  { headers, ca }: TraceFiles,
  { series, log }: ExportSurroundings,
): Promise<SpanExport> {
  const { api, sdk, resources, otlp } = await loadSdk();
  const exporter = new otlp.OTLPTraceExporter({
    url: config.url,
    headers: { ...headers },
    timeoutMillis: config.timeout,
    concurrencyLimit: 2,
    httpAgentOptions: { keepAlive: true, ...(ca !== null && { ca }) },
  });
  const queue = new CountedQueue(exporter, series, log);
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(
      resources.resourceFromAttributes({
        ...config.attributes,
        'service.name': config.serviceName,
        'service.version': VERSION,
        'service.instance.id': crypto.randomUUID(),
      }),
    ),
    // Which requests are recorded is decided before the SDK is asked.
    sampler: new sdk.AlwaysOnSampler(),
    spanProcessors: [
      queue.before(
        new sdk.BatchSpanProcessor({
          exporter: queue,
          maxQueueSize: MAX_QUEUED,
          scheduledDelayMillis: SEND_EVERY_MS,
          exportTimeoutMillis: config.timeout,
        }),
      ),
    ],
  });
  return {
    maker: new SdkSpans(api, provider.getTracer('sallyport', VERSION)),
    close: async () => {
      const closing = provider.shutdown().catch(() => {});
      await settledWithin(closing, LAST_EXPORT_MS);
      queue.giveUp();
    },
  };
}

async function loadSdk() {
  try {
    const [api, sdk, resources, otlp] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/exporter-trace-otlp-proto'),
    ]);
    return { api, sdk, resources, otlp };
  } catch (cause) {
    throw new ConfigFault('traces: the OpenTelemetry SDK cannot be loaded', { cause, key: ['traces'] });
  }
}

type Sdk = Awaited<ReturnType<typeof loadSdk>>;

const ROLES = { internal: 0, server: 1, client: 2 } as const;

/** Makes spans of the SDK. */
class SdkSpans implements SpanMaker {
  readonly #api: Sdk['api'];
  readonly #tracer: ReturnType<InstanceType<Sdk['sdk']['TracerProvider']>['getTracer']>;

  constructor(api: Sdk['api'], tracer: ReturnType<InstanceType<Sdk['sdk']['TracerProvider']>['getTracer']>) {
    this.#api = api;
    this.#tracer = tracer;
  }

  start({ name, role, startTime, parent, tracestate = null, link = null }: NewSpan): Span {
    const { ROOT_CONTEXT, trace, createTraceState } = this.#api;
    const state = tracestate === null ? {} : { traceState: createTraceState(tracestate) };
    const context =
      parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...spanContext(parent), ...state });
    const links = link === null ? [] : [{ context: spanContext(link) }];
    return this.#tracer.startSpan(name, { kind: ROLES[role], startTime, links }, context);
  }
}

const spanContext = ({ traceId, spanId, flags }: TraceContext): SpanContext => ({
  traceId,
  spanId,
  traceFlags: flags,
  isRemote: true,
});

type ExportCallback = Parameters<Parameters<SpanExporter['export']>[1]>[0];

/** `ExportResultCode.SUCCESS` */
const TAKEN = 0;

/** Wraps the queue of the SDK, and counts what goes in, what comes out, and what does not fit. */
class CountedQueue implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #series: TraceSeries;
  readonly #log: Logger;
  #waiting = 0;
  /** Under way to the collector. */
  #sending = 0;
  #isFailing = false;

  constructor(exporter: SpanExporter, series: TraceSeries, log: Logger) {
    this.#exporter = exporter;
    this.#series = series;
    this.#log = log;
  }

  /** The way into the queue. */
  before(queue: SpanProcessor): SpanProcessor {
    return {
      onStart: () => {},
      onEnd: (span) => {
        if (this.#waiting >= MAX_QUEUED) {
          this.#series.dropped.inc({ reason: 'queue_full' });
          return;
        }
        this.#waiting += 1;
        queue.onEnd(span);
      },
      forceFlush: () => queue.forceFlush(),
      shutdown: () => queue.shutdown(),
    };
  }

  export(spans: ReadableSpan[], done: (result: ExportCallback) => void): void {
    this.#waiting -= spans.length;
    this.#sending += spans.length;
    this.#exporter.export(spans, (result) => {
      this.#sending -= spans.length;
      if (result.code === TAKEN) this.#taken(spans.length);
      else this.#refused(spans.length, result.error);
      done(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  /** Nothing is sent any more. */
  giveUp(): void {
    const left = this.#waiting + this.#sending;
    if (left > 0) this.#series.dropped.inc({ reason: 'shutdown' }, left);
  }

  #taken(count: number): void {
    this.#series.exported.inc(count);
    if (this.#isFailing) this.#log.info('collector accepts spans again');
    this.#isFailing = false;
  }

  /** Said once, not for every batch. */
  #refused(count: number, error: Error | undefined): void {
    this.#series.dropped.inc({ reason: 'export_failed' }, count);
    if (!this.#isFailing) this.#log.warn({ fault: errorFields(error) }, 'collector does not accept spans');
    this.#isFailing = true;
  }
}
