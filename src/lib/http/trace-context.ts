/**
 * W3C Trace Context: the header `traceparent`, read strictly and written. Only version 00 is read: what a later version
 * would add is not known, and half of a context is worse than none.
 */

/** A span of any program, as others refer to it. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 of them, not all zero. */
  readonly spanId: string;
  /** Bit 0: the span is recorded. Bit 1: the trace id is random. */
  readonly flags: number;
}

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads a value of `traceparent`, untrusted. @returns `null` when it is not valid */
export function parseTraceparent(text: string): TraceContext | null {
  const [, traceId, spanId, flags = ''] = TRACEPARENT.exec(text) ?? [];
  return traceId === undefined || spanId === undefined ? null : { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/** Whether a value of `traceparent` is valid. */
export const isTraceparent = (text: string): boolean => TRACEPARENT.test(text);

/** The trace id in a valid value of `traceparent`. */
export const traceIdIn = (traceparent: string): string => traceparent.slice(3, 35);

/** Whether the span is recorded, so that the spans below it should be, too. */
export const isSampled = ({ flags }: TraceContext): boolean => (flags & 1) === 1;

/** Writes a value of `traceparent`. */
export const formatTraceparent = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
