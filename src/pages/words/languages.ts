/** The languages that are shipped, and which of them a reader gets. */

import type { NonEmpty } from '../../lib/non-empty.ts';
import { de } from './de.ts';
import { en } from './en.ts';
import type { Words } from './words.ts';

/** By tag. A new language is a file with its words, and a member here. */
export const LANGUAGES = { en, de } as const satisfies Readonly<Record<string, Words>>;
/** The tag of a language that is shipped. */
export type Language = keyof typeof LANGUAGES;

/** As many as any browser sends, and more than a reader knows. */
const MAX_RANGES = 32;
const RANGE = /^([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,60})?(?:[ \t]*;[ \t]*[qQ]=([01](?:\.[0-9]{0,3})?))?$/;

/**
 * The language that a reader gets: of those on offer, the one that `Accept-Language` weighs most; of two that weigh the same,
 * the one that is named first. A region is not looked at: `de-AT` gets German. What cannot be read is left out.
 *
 * @param header   value of the header; `null` where there is none
 * @param offered  tags; the first is for readers who accept none of them
 * @see RFC 9110 §12.5.4, §12.4.2; RFC 4647 §3.4
 */
export function languageFor(header: string | null, offered: NonEmpty<Language>): Language {
  const weights = new Map<string, number>();
  for (const item of (header ?? '').split(',', MAX_RANGES)) {
    const [, tag, weight = '1'] = RANGE.exec(item.trim()) ?? [];
    if (tag === undefined) continue;
    const language = tag.toLowerCase();
    weights.set(language, Math.max(weights.get(language) ?? 0, Math.min(Number(weight), 1)));
  }
  const weightOf = (language: Language) => weights.get(language) ?? weights.get('*') ?? 0;
  // By what is named first, then by the order of the offer, which `*` leaves.
  const named = [...weights.keys()];
  const rank = (language: Language) => (weights.has(language) ? named.indexOf(language) : named.length);
  const best = offered.toSorted((a, b) => weightOf(b) - weightOf(a) || rank(a) - rank(b))[0] ?? offered[0];
  return weightOf(best) > 0 ? best : offered[0];
}
