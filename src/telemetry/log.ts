/**
 * Logs as JSON lines. Records are built from named fields only, never from raw headers or foreign objects, so nothing
 * leaks that is not named (test/e2e/secrets.test.ts greps every output for canaries).
 */

import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino';
import type { PlainString } from '../lib/brand.ts';
import { LineBlocks } from './line-blocks.ts';

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
/** Lines that wait for a slow reader of the log; beyond this, lines are dropped (DOS-17). */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/**
 * Streams by file descriptor: the log and the audit stream share standard output and must not interleave within a line.
 */
const streams = new Map<number, LineBlocks>();

/** Standard output, written in blocks. One stream per process. */
export function standardOutput(): LineStream {
  const present = streams.get(1);
  if (present !== undefined) return present;
  const sink = destination({ dest: 1, sync: false, contentMode: 'buffer', minLength: 0, maxLength: MAX_WAITING_BYTES });
  const stream = new LineBlocks(sink as unknown as ConstructorParameters<typeof LineBlocks>[0], FLUSH_EVERY_MS);
  streams.set(1, stream);
  return stream;
}

/** Opens the log of a process. @param level  the least severe level that is written, or `silent` */
export function createLog(level: string, stream: LineStream): Logger {
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime }, stream);
}

/**
 * Opens the audit stream. Every line has `"stream":"audit"`.
 *
 * @param file    written synchronously, line by line, readable by its owner only; `undefined` for `stream`
 * @param stream  where lines go without a file
 * @throws Error of the file system when the file cannot be opened
 */
export function createAuditLog(file: string | undefined, stream: LineStream): Logger {
  const target = file === undefined ? stream : destination({ dest: file, sync: true, append: true, mode: 0o600 });
  return pino({ level: 'info', base: { stream: 'audit' }, timestamp: stdTimeFunctions.isoTime }, target);
}

/** Writes every line that is still held. Call before the process ends. */
export function flushLogs(): void {
  for (const stream of streams.values()) stream.flushSync();
}

/** A thrown value as fields of a log record: name, code and message, and those of its cause. Never a stack. */
export function errorFields(thrown: unknown): Record<string, string> {
  if (!(thrown instanceof Error)) return { error: 'non-error thrown' };
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;
  const cause = thrown.cause instanceof Error ? thrown.cause : null;
  return {
    error: thrown.name,
    message: thrown.message,
    ...(code !== null && { code }),
    ...(cause !== null && { cause: `${cause.name}: ${cause.message}` }),
  };
}
