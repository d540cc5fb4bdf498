/** Which requests are recorded, and what the section's files may contain. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Span } from '@opentelemetry/api';
import { afterAll, describe, expect, test } from 'vitest';
import { FileReader } from '../../../src/config/files/named-files.ts';
import { systemClocks } from '../../../src/lib/clock.ts';
import { readTraceFiles } from '../../../src/telemetry/traces/files.ts';
import { inSpan, type NewSpan, RequestTrace } from '../../../src/telemetry/traces/request-trace.ts';
import { Tracer } from '../../../src/telemetry/traces/tracer.ts';

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const clocks = { wallMs: () => 1_800_000_000_000, monotonicMs: () => 5_000 };

/** Stands in for the SDK, which traces.test.ts tests. */
class Spans {
  readonly begun: NewSpan[] = [];
  start(span: NewSpan): Span {
    this.begun.push(span);
    const ids = { traceId: span.parent?.traceId ?? '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 };
    const made = { spanContext: () => ids, setAttributes: () => made, setAttribute: () => made, setStatus: () => made };
    return { ...made, end: () => {} } as unknown as Span;
  }
}

function tracer(sampleRatio: number, random: number, spans = new Spans()): Tracer {
  const series = { overLimit: { inc: () => {} } };
  return new Tracer({ sampleRatio, maxPerSecond: 100 }, { maker: spans, clocks, series, random: () => random });
}
const asks = (traceparent: string | null) => ({ traceparent, fields: { traceparent, tracestate: null } });

describe('a request', () => {
  test.each([
    [0.01, 0.009, true],
    [0.01, 0.01, false],
    [1, 0.999_999, true],
    [0, 0, false],
  ])('without a parent is recorded by the ratio: %d with random %d gives %s', (ratio, random, isRecorded) => {
    for (const request of [asks(null), null])
      expect(tracer(ratio, random).begin(5_000, request) !== null).toBe(isRecorded);
  });

  test.each([
    ['recorded', PARENT, 0, true],
    ['not recorded', PARENT.replace(/01$/, '00'), 1, false],
  ])('follows a parent that is %s, whatever the ratio', (_how, parent, ratio, isRecorded) => {
    expect(tracer(ratio, 0).begin(5_000, asks(parent)) !== null).toBe(isRecorded);
  });
});

describe('steps below a request', () => {
  const begun = () => {
    const spans = new Spans();
    return { spans, trace: new RequestTrace(spans, { parent: null }, 5_000, clocks, () => {}) };
  };

  test('are spans only if it is recorded, asynchronous ones included', async () => {
    const { spans, trace } = begun();
    expect(inSpan('mint token', () => 7)).toBe(7);
    await trace.run(async () => {
      await Promise.resolve();
      expect(await inSpan('verify token', async () => 'right')).toBe('right');
    });
    expect(spans.begun.map(({ name, parent }) => [name, parent?.spanId])).toEqual([
      ['HTTP', undefined],
      ['verify token', trace.spanId],
    ]);
  });

  test('rethrow errors', async () => {
    const { trace } = begun();
    const fault = new Error('broken');
    expect(() => trace.run(() => inSpan('mint token', () => raise(fault)))).toThrow(fault);
    await expect(trace.run(() => inSpan('mint token', () => Promise.reject(fault)))).rejects.toBe(fault);
  });

  test('still run beyond the number that is recorded', () => {
    const { spans, trace } = begun();
    let done = 0;
    trace.run(() => {
      for (let step = 0; step < 100; step += 1)
        inSpan('mint token', () => {
          done += 1;
        });
    });
    expect([done, spans.begun.length]).toEqual([100, 1 + 64]);
  });
});

const raise = (fault: Error): never => {
  throw fault;
};

describe('the headers file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-traces-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const read = async (text: string) => {
    const headersFile = join(directory, 'headers');
    writeFileSync(headersFile, text);
    const reader = new FileReader(systemClocks);
    const { headers } = await readTraceFiles({ headersFile }, reader);
    return { headers, said: reader.mistakes.map(({ message }) => message.replace(directory, '')) };
  };

  test('has one header per line, with any line endings', async () => {
    expect((await read('Authorization:Bearer a:b\r\n\nx-scope:  7  \n')).headers).toEqual({
      Authorization: 'Bearer a:b',
      'x-scope': '7',
    });
  });

  test.each([
    ['no colon', 'canary-secret', 1],
    ['no name', ': canary-secret', 1],
    ['no value', 'A: b\nX-Canary-secret:', 2],
    ['a space in the name', 'X canary: canary-secret', 1],
    ['a letter that is not ASCII', 'X: canary-secret-ü', 1],
  ])('LOG-01: reports a line with %s by its number, not its text', async (_what, text, line) => {
    expect((await read(text)).said).toEqual([
      `traces.headersFile: /headers line ${line} is not a header: write Name: value`,
    ]);
  });

  test.each(['Host', 'content-length', 'Transfer-Encoding', 'CONTENT-TYPE'])('cannot set %s', async (name) => {
    expect((await read(`${name}: x`)).said).toEqual([expect.stringContaining('line 1 is a header that the gateway')]);
  });
});
