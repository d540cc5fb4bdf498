/**
 * pages: what people see of the gateway itself. The frame of every page is here: plain, accessible, without scripts, without
 * anything from elsewhere, and under a Content-Security-Policy that allows exactly that.
 *
 * Input: a page as a function of words, and the languages that its reader accepts. Output: a whole document and its headers.
 * It reads no request and never fails.
 */

import { hash } from 'node:crypto';
import type { NonEmpty } from '../lib/non-empty.ts';
import { Html, html } from '../lib/text/html.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import { type Accents, styleSheet } from './style.ts';
import { LANGUAGES, type Language, languageFor } from './words/languages.ts';
import type { Words } from './words/words.ts';

/**
 * Forms go to the gateway and nowhere else; there are no scripts, frames or requests. Images, if any, are in the page.
 *
 * @param formTarget  origin that the answer to a form may redirect to: browsers apply `form-action` to redirects, too
 */
const contentSecurityPolicy = (styleHash: string, hasImages: boolean, formTarget: string | null): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    ...(hasImages ? ['img-src data:'] : []),
    `form-action 'self'${formTarget === null ? '' : ` ${formTarget}`}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/**
 * Headers of every page, besides its policy. With `no-referrer` a browser would send `Origin: null` with the page's own forms
 * (Fetch §3.2), and the rule against cross-site requests would refuse them; `same-origin` tells other sites just as little.
 */
const HEADERS: readonly string[] = ['Referrer-Policy', 'same-origin', 'Cross-Origin-Opener-Policy', 'same-origin'];

/** A page of the gateway, in one language. */
export interface Page {
  readonly title: string;
  readonly body: Html;
  /** What went wrong and what to do; shown above the body, under the id `problem`. */
  readonly problem?: string | null;
  /** What the reader should know before continuing, where nothing went wrong. */
  readonly note?: string | null;
  readonly isWide?: boolean;
  /** Origin that the answer to a form of the page may redirect to; checked, since it is written into a header. */
  readonly formTarget?: string | null;
}

/** A page in whatever language its reader gets. */
export type PageText = (words: Words) => Page;

/** Helps an operator find the request that a page answers. */
export interface PageStamp {
  readonly requestId: string;
  readonly atMs: number;
}

/** A page as it is sent. */
interface WrittenPage {
  readonly text: string;
  /** Flat name, value list, but for Content-Type. */
  readonly headers: readonly string[];
}

/** What all pages of a configuration have in common. */
export interface PageSettings {
  /** From which the reader's is chosen. The first is for readers who accept none of them. */
  readonly languages: NonEmpty<Language>;
  readonly accent: Accents;
  /** Whose pages they are, in their titles and above their headings; `undefined`: not shown. */
  readonly name?: string | undefined;
}

/** Writes the pages of one configuration. */
export class Pages {
  readonly #settings: PageSettings;
  readonly #frame: Frame;
  readonly #styleHash: string;

  /**
   * @param logo       a `data:` URI; `null`: none
   * @param moreStyle  rules for what only these pages have
   */
  constructor(settings: PageSettings, logo: string | null, moreStyle = '') {
    const style = styleSheet(settings.accent) + moreStyle;
    this.#settings = settings;
    this.#frame = { style, logo, name: settings.name ?? null };
    this.#styleHash = hash('sha256', style, 'base64');
  }

  /**
   * Writes a page.
   *
   * @param acceptLanguage  what its reader accepts; `null` where that is not known
   */
  write(page: PageText, acceptLanguage: string | null, stamp: PageStamp): WrittenPage {
    const { languages } = this.#settings;
    const words = LANGUAGES[languageFor(acceptLanguage, languages)];
    const inWords = page(words);
    const text = document(inWords, words, this.#frame, stamp);
    // Only what the templates of pages write is markup: what they are given is escaped.
    const policy = contentSecurityPolicy(this.#styleHash, text.includes('<img '), inWords.formTarget ?? null);
    const headers = ['Content-Security-Policy', policy, ...HEADERS, 'Content-Language', words.tag];
    if (languages.length > 1) headers.push('Vary', 'Accept-Language');
    return { text, headers };
  }
}

/** What is around each page. */
interface Frame {
  readonly style: string;
  readonly logo: string | null;
  readonly name: string | null;
}

/** Writes a whole document. */
function document(
  { title, body, problem = null, note = null, isWide = false }: Page,
  words: Words,
  { style, logo, name }: Frame,
  { requestId, atMs }: PageStamp,
): string {
  const heading = problem === null ? title : words.page.errorTitle(title);
  const time = toTimestamp(atMs);
  return html`<!doctype html>
<html lang="${words.tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${name === null ? heading : `${heading} – ${name}`}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main class="${isWide ? 'wide' : 'card'}">
${brand(logo, name)}<h1>${title}</h1>
${problem === null ? null : html`<p class="alert" id="problem" role="alert">${problem}</p>`}
${note === null ? null : html`<p class="note" role="status">${note}</p>`}
${body}
<footer class="small">${words.page.requestId}: <code>${requestId}</code><br><time datetime="${time}">${time.slice(0, 19).replace('T', ' ')} UTC</time></footer>
</main>
</body>
</html>
`.text;
}

/** The logo above a page, or the name where there is none. */
function brand(logo: string | null, name: string | null): Html | null {
  if (logo !== null) return html`<header><img src="${logo}" alt="${name ?? ''}" height="48"></header>\n`;
  return name === null ? null : html`<header>${name}</header>\n`;
}
