/** Dates as people write them, in the language of the page and in UTC: the gateway does not know where its reader is. */

import { type Html, html } from '../lib/text/html.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import type { Words } from './words/words.ts';

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf({ dateLocale }: Words): Intl.DateTimeFormat {
  const known = formats.get(dateLocale);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat(dateLocale, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
  formats.set(dateLocale, made);
  return made;
}

/** A time in a page, with what programs read of it. */
export const timeElement = (timeMs: number, words: Words): Html =>
  html`<time datetime="${toTimestamp(timeMs)}">${formatOf(words).format(timeMs)} UTC</time>`;

/** How long it is until something happens, in whole units, never more than it is: `in 4 minutes`. */
export function untilText(durationMs: number, { dateLocale }: Words): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1_000));
  const [count, unit] =
    seconds < 60
      ? ([seconds, 'second'] as const)
      : seconds < 7_200
        ? ([Math.floor(seconds / 60), 'minute'] as const)
        : ([Math.floor(seconds / 3_600), 'hour'] as const);
  return new Intl.RelativeTimeFormat(dateLocale, { numeric: 'always' }).format(count, unit);
}
