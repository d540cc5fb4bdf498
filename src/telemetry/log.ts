/**
 * Logs as JSON lines. Records are built from named fields only, never from raw headers or foreign objects, so nothing
 * leaks that is not named (test/e2e/secrets.test.ts greps every output for canaries).
 */

import { type DestinationStream, pino, stdTimeFunctions } from 'pino';
import type { PlainString } from '../lib/brand.ts';
import { errorCode } from '../lib/error-code.ts';
import { BlockWriter } from './block-writer.ts';
import { LineBlocks, type LossReports } from './line-blocks.ts';

/** The value of a field: text that is not a secret, or plain data of it. */
type LogValue = PlainString | number | boolean | null | undefined | readonly LogValue[] | LogFields;

/** Fields of a record, by name. A session id or a token is not accepted as the value of any field. */
interface LogFields {
  readonly [name: string]: LogValue;
}

/** Writes one record. @param message  fixed words, without values */
interface WriteRecord {
  (fields: LogFields, message: PlainString): void;
  (message: PlainString): void;
}

/** A log, by level. */
export interface Logger {
  /** The least severe level that is written; can be set. */
  level: string;
  readonly debug: WriteRecord;
  readonly info: WriteRecord;
  readonly warn: WriteRecord;
  readonly error: WriteRecord;
  readonly fatal: WriteRecord;
}

/** Where log lines go: each call writes one whole line. */
export type LineStream = DestinationStream;

/** The longest that a line waits before it is written. */
const FLUSH_EVERY_MS = 1_000;
/** How long the end of a process waits for a reader of its log. */
const LAST_FLUSH_MS = 2_000;

/** The log and the audit stream share standard output and must not interleave within a line. */
let output: LineBlocks | null = null;

/** Standard output, written in blocks. One stream per process. What is not read in time is dropped (DOS-17). */
export function standardOutput(): LineBlocks {
  output ??= new LineBlocks(new BlockWriter(1), FLUSH_EVERY_MS);
  return output;
}

/** Opens the log of a process. @param level  the least severe level that is written, or `silent` */
export function createLog(level: string, stream: LineStream): Logger {
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime, formatters }, stream);
}

/** Counts and logs lines that were lost. @param output  where they should have gone, for the log */
export function lossReports(output: string, log: Logger, lost: { inc(amount: number): void }): LossReports {
  return {
    onLost: (lines) => lost.inc(lines),
    onRestored: (lines) => log.warn({ output, lost: lines }, 'log output can be written again'),
  };
}

/** Writes what is still held, in a bounded time. Call before the process ends. */
export async function flushLogs(): Promise<void> {
  if (output === null) return;
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, LAST_FLUSH_MS);
  await Promise.race([output.drain(), limit.promise]);
  clearTimeout(timer);
}

/** A thrown value as fields of a log record: name, code and message, and those of its cause. Never a stack. */
export function errorFields(thrown: unknown): Record<string, string> {
  if (!(thrown instanceof Error)) return { error: 'non-error thrown' };
  const code = errorCode(thrown);
  const cause = thrown.cause instanceof Error ? thrown.cause : null;
  return {
    error: thrown.name,
    message: thrown.message,
    ...(code !== null && { code }),
    ...(cause !== null && { cause: `${cause.name}: ${cause.message}` }),
  };
}
