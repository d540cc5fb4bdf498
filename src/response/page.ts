/**
 * The shell of every page that the gateway itself shows: plain, accessible, without scripts, without anything from
 * elsewhere, and under a Content-Security-Policy that allows exactly that.
 */

import { hash } from 'node:crypto';
import { Html, html } from '../lib/html.ts';
import { toTimestamp } from '../lib/timestamp.ts';

/** Colours by what they are for; test/response/page.test.ts holds their contrast (WCAG 2.2, 1.4.3 and 1.4.11). */
const LIGHT =
  '--ink:#1b1f24;--soft:#545c66;--paper:#f3f5f8;--card:#fff;--edge:#dde1e7;--line:#7a828d;--accent:#0b57d0;--on-accent:#fff;--alert:#a31515;--alert-paper:#fdeeed';
const DARK =
  '--ink:#e8eaed;--soft:#aab2bc;--paper:#141619;--card:#1f2226;--edge:#33383f;--line:#8a929c;--accent:#a8c7fa;--on-accent:#062e6f;--alert:#ffb4ab;--alert-paper:#3b1f1e';

const STYLE = `:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{width:100%;max-width:26rem;padding:2rem;background:var(--card);border:1px solid var(--edge);border-radius:.75rem}
main.wide{max-width:46rem}
main>:last-child{margin-bottom:0}
h1{margin:0 0 1.25rem;font-size:1.5rem;line-height:1.25}
p,form{margin:0 0 1rem}
label{display:block;margin:0 0 .25rem;font-weight:600}
input{width:100%;min-height:2.75rem;margin:0 0 1.25rem;padding:.5rem .75rem;border:1px solid var(--line);border-radius:.375rem;background:var(--card);color:var(--ink);font:inherit}
input[aria-invalid]{border-color:var(--alert)}
.check{display:flex;align-items:center;gap:.5rem;margin:0 0 1.25rem;font-weight:400}
.check input{flex:none;width:1.5rem;min-height:1.5rem;margin:0;accent-color:var(--accent)}
button,.button{display:inline-flex;align-items:center;justify-content:center;min-height:2.75rem;padding:.5rem 1.25rem;border:1px solid transparent;border-radius:.375rem;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
button.quiet{background:none;border-color:var(--line);color:var(--accent)}
.full{width:100%}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
a{color:var(--accent)}
.alert{padding:.75rem 1rem;border-left:4px solid var(--alert);border-radius:.25rem;background:var(--alert-paper);color:var(--alert);font-weight:600}
.note{padding:.75rem 1rem;border-left:4px solid var(--accent);border-radius:.25rem;background:var(--paper)}
.small{color:var(--soft);font-size:.875rem}
.badge{display:inline-block;padding:0 .5rem;border:1px solid var(--line);border-radius:1rem;color:var(--soft);font-size:.875rem;white-space:nowrap}
ul{margin:0 0 1rem;padding:0;list-style:none}
.links a{display:inline-block;padding:.25rem 0}
.sessions{border-top:1px solid var(--edge)}
.sessions li{display:flex;flex-wrap:wrap;align-items:center;gap:.75rem 1.5rem;padding:1rem 0;border-bottom:1px solid var(--edge)}
.small time{white-space:nowrap}
.sessions div{flex:1 1 15rem;min-width:0}
.sessions p,.sessions form{margin:0}
@media (max-width:24rem){main{padding:1.25rem}}`;

/** `form-action 'self'` and nothing else: no script, no frame, no request to anywhere. */
const CSP = [
  "default-src 'none'",
  `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * Headers of every page. With `no-referrer` a browser would send `Origin: null` with the page's own forms (Fetch §3.2),
 * and the rule against cross-site requests would refuse them; `same-origin` tells other sites just as little.
 */
export const PAGE_HEADERS: readonly string[] = [
  'Content-Security-Policy',
  CSP,
  'Referrer-Policy',
  'same-origin',
  'Cross-Origin-Opener-Policy',
  'same-origin',
];

/** A page of the gateway. */
export interface Page {
  readonly title: string;
  readonly body: Html;
  /** What went wrong and what to do; shown above the body, under the id `problem`. */
  readonly problem?: string | null;
  /** What the reader should know before going on, where nothing went wrong. */
  readonly note?: string | null;
  readonly isWide?: boolean;
}

/** By what an operator finds the request that a page answers. */
interface PageStamp {
  readonly requestId: string;
  readonly atMs: number;
}

/** Writes a whole page. */
export function renderPage(
  { title, body, problem = null, note = null, isWide = false }: Page,
  { requestId, atMs }: PageStamp,
): string {
  const time = toTimestamp(atMs);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${problem === null ? null : 'Error: '}${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main class="${isWide ? 'wide' : 'card'}">
<h1>${title}</h1>
${problem === null ? null : html`<p class="alert" id="problem" role="alert">${problem}</p>`}
${note === null ? null : html`<p class="note" role="status">${note}</p>`}
${body}
<footer class="small">Request id: <code>${requestId}</code><br><time datetime="${time}">${time.slice(0, 19).replace('T', ' ')} UTC</time></footer>
</main>
</body>
</html>
`.text;
}
