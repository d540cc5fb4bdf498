/**
 * An upstream with the real OpenTelemetry SDK, as a program: records what a parent-based sampler decides, and
 * everything that continues no trace. Argument: the URL of a collector. Prints its port, and exits when its standard
 * input closes.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { defaultTextMapGetter, ROOT_CONTEXT, SpanKind } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { AlwaysOnSampler, ParentBasedSampler, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

export class TracedUpstream implements AsyncDisposable {
  readonly origin: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: string) {
    this.#child = child;
    this.origin = `http://127.0.0.1:${port}`;
  }

  static async start(collectorUrl: string): Promise<TracedUpstream> {
    const child = spawn(process.execPath, [import.meta.filename, collectorUrl], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return new TracedUpstream(child, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exit;
  }
}

if (import.meta.main) {
  const exporter = new OTLPTraceExporter({ url: process.argv[2] ?? '' });
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer('upstream');
  const propagator = new W3CTraceContextPropagator();
  const server = createServer((request, response) => {
    const context = propagator.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter);
    const span = tracer.startSpan('upstream', { kind: SpanKind.SERVER }, context);
    response.end('ok', () => span.end());
  }).listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
  process.stdin.resume();
  process.stdin.once('end', () => process.exit(0));
}
