/**
 * Durations and sizes as written in a configuration: `250ms`, `30s`, `2m`, `12h`, `30d`, held as milliseconds; `512B`,
 * `64KiB`, `10MiB`, `1GiB`, held as bytes. Sizes have binary units only: many readers take `KB` for 1,000.
 */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A written duration: one or more `<integer><unit>` parts, largest unit first by convention (`1h30m`). */
export const DURATION_PATTERN = /^(?:\d+(?:ms|s|m|h|d))+$/;

/**
 * Reads a written duration.
 *
 * @returns milliseconds, a non-negative safe integer; `null` when the text is not a duration or is too large.
 */
export function parseDurationMs(text: string): number | null {
  if (!DURATION_PATTERN.test(text)) return null;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/gy)) {
    totalMs += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return Number.isSafeInteger(totalMs) ? totalMs : null;
}

/** Writes milliseconds in the shortest exact form that {@link parseDurationMs} reads back: `90000` → `1m30s`. */
export function formatDuration(durationMs: number): string {
  let restMs = Math.round(durationMs);
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const amount = Math.floor(restMs / UNIT_MS[unit]);
    if (amount > 0) text += `${amount}${unit}`;
    restMs -= amount * UNIT_MS[unit];
  }
  return text === '' ? '0s' : text;
}

/** Writes milliseconds for people, in the two largest units: `3d 4h`, `1m 30s`, `250ms`. Rounded down. */
export function roughDuration(durationMs: number): string {
  const shownMs = durationMs < 1_000 ? Math.floor(durationMs) : Math.floor(durationMs / 1_000) * 1_000;
  return formatDuration(shownMs)
    .split(/(?<=[a-z])(?=\d)/)
    .slice(0, 2)
    .join(' ');
}

const UNIT_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** A written size: an integer and a unit. */
export const SIZE_PATTERN = /^\d+(?:B|KiB|MiB|GiB)$/;

/**
 * Reads a written size.
 *
 * @returns bytes, a non-negative safe integer; `null` when the text is not a size or is too large.
 */
export function parseSizeBytes(text: string): number | null {
  if (!SIZE_PATTERN.test(text)) return null;
  const bytes = Number.parseInt(text, 10) * UNIT_BYTES[text.replace(/^\d+/, '') as keyof typeof UNIT_BYTES];
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Writes bytes in the largest unit that {@link parseSizeBytes} reads back exactly: `1536` → `1536B`, `2048` → `2KiB`. */
export function formatSize(bytes: number): string {
  const unit = (['GiB', 'MiB', 'KiB'] as const).find((larger) => bytes > 0 && bytes % UNIT_BYTES[larger] === 0) ?? 'B';
  return `${bytes / UNIT_BYTES[unit]}${unit}`;
}
