/**
 * Logs, as JSON lines. Records are built from named fields only, never from raw headers or objects that somebody else
 * made, so what is not written here cannot leak (test/e2e/secrets.test.ts greps every output for canaries).
 */

import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { LineBlocks } from './line-blocks.ts';

export type { Logger } from 'pino';

/** What log lines are written to: each call is one whole line. */
export type LineStream = DestinationStream;

/** Longest time that a line waits before it is written. */
const FLUSH_EVERY_MS = 1_000;
/** When whoever reads the log is slower than this much, further lines are dropped rather than kept (DOS-17). */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Streams by file descriptor: the log and the audit stream share standard output, and must not cut into each other. */
const streams = new Map<number, LineBlocks>();

/** The stream of standard output, in blocks. */
export function standardOutput(): LineStream {
  const present = streams.get(1);
  if (present !== undefined) return present;
  const sink = destination({ dest: 1, sync: false, contentMode: 'buffer', minLength: 0, maxLength: MAX_WAITING_BYTES });
  const stream = new LineBlocks(sink as unknown as ConstructorParameters<typeof LineBlocks>[0], FLUSH_EVERY_MS);
  streams.set(1, stream);
  return stream;
}

/** Opens the log of a process. */
export function createLog(level: string, stream: LineStream): Logger {
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime }, stream);
}

/**
 * Opens the audit stream: who logged in and out, what was revoked, what was refused. Every line bears
 * `"stream":"audit"`. A file of its own is written line by line, at once, readable by its owner only.
 *
 * @throws when the file cannot be opened
 */
export function createAuditLog(file: string | undefined, stream: LineStream): Logger {
  const target = file === undefined ? stream : destination({ dest: file, sync: true, append: true, mode: 0o600 });
  return pino({ level: 'info', base: { stream: 'audit' }, timestamp: stdTimeFunctions.isoTime }, target);
}

/** Writes out what is still held. Call before the process ends. */
export function flushLogs(): void {
  for (const stream of streams.values()) stream.flushSync();
}

/** A thrown thing as fields of a log record: its name, code and message, and those of its cause. Never a stack. */
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
