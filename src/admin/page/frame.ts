/**
 * page: what a person sees of a running gateway in a browser, on the admin listener. Read only: pages of tables, and one form
 * that asks `explain`. Script-free, under the policy of every other page of the gateway. In English, like everything else for
 * operators: the command line, the log, the documents.
 *
 * Input: what the processes report about themselves (`status.ts`), reports of reloads, an answer of `explain`. Output:
 * a document. Errors are those of the calls behind a page. This file is what all pages have in common.
 */

import { type Html, html } from '../../lib/text/html.ts';
import { type Page, type PageStamp, Pages } from '../../pages/page.ts';
import type { AdminAnswer } from '../request.ts';

/** The pages, in the order of their links. */
const TABS = { '/': 'Overview', '/routes': 'Routes', '/upstreams': 'Upstreams', '/explain': 'Explain' } as const;
/** The path of a page. */
export type PagePath = keyof typeof TABS;

const STYLE = `
body{align-items:flex-start}
main.wide{max-width:84rem}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:0 0 1.5rem}
nav a{display:inline-block;padding:.25rem 0}
nav a[aria-current]{color:var(--ink);font-weight:600;text-decoration:none;border-bottom:2px solid var(--accent)}
h2{margin:2rem 0 .5rem;font-size:1.125rem}
.scroll{overflow-x:auto;margin:0 0 1rem}
table{width:100%;border-collapse:collapse;font-size:.875rem;overflow-wrap:normal}
th,td{padding:.375rem .75rem .375rem 0;border-bottom:1px solid var(--edge);text-align:left;vertical-align:top}
thead th{color:var(--soft);font-weight:600}
tbody th{font-weight:400}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bad{color:var(--alert);font-weight:600}
td ul{margin:0}
td,th{min-width:4rem}
code,pre{font-family:ui-monospace,monospace;font-size:.8125rem}
pre{margin:0 0 1rem;padding:.75rem 1rem;border:1px solid var(--edge);border-radius:.375rem;white-space:pre-wrap}
select,textarea{width:100%;min-height:2.75rem;margin:0 0 1.25rem;padding:.5rem .75rem;border:1px solid var(--line);border-radius:.375rem;background:var(--card);color:var(--ink);font:inherit}
.fields{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,16rem),1fr));gap:0 1.25rem}
.fields .small{margin:-1rem 0 1.25rem}
.search{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end}
.search div{flex:1 1 12rem}.search input{margin:0}`;

const PAGES = new Pages({ languages: ['en'], accent: {}, name: 'Sallyport admin' }, null, STYLE);

/** Writes a page. @param path  its own, which is marked among the links */
export function adminPage(path: PagePath, { body, ...page }: Omit<Page, 'isWide'>, stamp: PageStamp): AdminAnswer {
  const all = html`${navigation(path)}${body}`;
  const { text, headers } = PAGES.write(() => ({ ...page, isWide: true, body: all }), null, stamp);
  return {
    status: 200,
    mediaType: 'text/html; charset=utf-8',
    headers: [...headers, 'Cross-Origin-Resource-Policy', 'same-origin'],
    body: text,
  };
}

function navigation(current: PagePath): Html {
  const links = Object.entries(TABS).map(
    ([path, name]) =>
      html`<li><a href="${path}"${path === current ? html` aria-current="page"` : null}>${name}</a></li>`,
  );
  return html`<nav aria-label="Pages"><ul>${links}</ul></nav>\n`;
}

/** A column: its heading, and the content of a cell. */
interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => Html | string | null;
  readonly isNumber?: true;
}

/**
 * A table that scrolls by itself where the window is narrow. The first cell of a row names it.
 *
 * @param name   describes it, for those who cannot see it
 * @param empty  what is shown in its place if it has no rows
 */
export function table<Row>(name: string, rows: readonly Row[], columns: readonly Column<Row>[], empty: string): Html {
  if (rows.length === 0) return html`<p class="small">${empty}</p>\n`;
  const numberClass = ({ isNumber }: Column<Row>) => (isNumber ? html` class="number"` : null);
  const headings = columns.map((column) => html`<th scope="col"${numberClass(column)}>${column.heading}</th>`);
  const lines = rows.map((row) => {
    const cells = columns.map((column, index) =>
      index === 0
        ? html`<th scope="row"${numberClass(column)}>${column.cell(row)}</th>`
        : html`<td${numberClass(column)}>${column.cell(row)}</td>`,
    );
    return html`<tr>${cells}</tr>\n`;
  });
  return html`<div class="scroll" role="region" aria-label="${name}" tabindex="0"><table>
<thead><tr>${headings}</tr></thead>
<tbody>
${lines}</tbody>
</table></div>
`;
}

/** A figure with separators between thousands. */
export const figure = (value: number): string => value.toLocaleString('en');

/** A figure that deserves a look unless it is zero. */
export const badFigure = (value: number): Html =>
  value === 0 ? html`0` : html`<strong class="bad">${figure(value)}</strong>`;

/** `yes` in plain type, `no` in words that stand out. */
export const state = (isOk: boolean, good: string, bad: string): Html =>
  isOk ? html`${good}` : html`<strong class="bad">${bad}</strong>`;
