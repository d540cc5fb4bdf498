/** The page that asks `explain`: a form, and below it what the command line would print. */

import { type Html, html } from '../../lib/text/html.ts';
import type { PageStamp } from '../../pages/page.ts';
import type { AdminAnswer, ExplainAnswer, ExplainQuestion } from '../request.ts';
import { adminPage } from './frame.ts';

/** The names of the fields, as in the query. */
export const EXPLAIN_FIELDS = ['method', 'url', 'session', 'service', 'header', 'from', 'as', 'outbound', 'http2'];

/** Headers with secrets, which do not belong in the address of a page. */
const SECRET_HEADERS = /^(?:authorization|proxy-authorization|cookie)$/i;
const NO_SECRETS =
  'Cookies and tokens do not belong in the address of a page: browsers keep it in their history. Describe the session or the service, or run sallyport explain with --token-file.';

/** Reads the form. @returns `null` where nothing is asked yet; text where the question must not be asked this way */
export function readExplainForm(query: URLSearchParams): ExplainQuestion | string | null {
  const [method, url] = [query.get('method') ?? '', query.get('url') ?? ''];
  if (method === '' && url === '') return null;
  const given = (name: string) => query.get(name)?.trim() || undefined;
  const header = (query.get('header') ?? '').split(/\r?\n/).filter((line) => line.trim() !== '');
  if (header.some((line) => SECRET_HEADERS.test(line.split(':', 1)[0]?.trim() ?? ''))) return NO_SECRETS;
  return {
    method: method.trim(),
    url: url.trim(),
    session: given('session'),
    service: given('service'),
    header,
    from: given('from'),
    as: given('as'),
    outbound: query.has('outbound'),
    http2: query.has('http2'),
  };
}

/** Writes the page. @param answer  `null` before anything was asked */
export function explainPage(
  query: URLSearchParams,
  asked: ExplainQuestion | null,
  answer: ExplainAnswer | null,
  stamp: PageStamp,
): AdminAnswer {
  const problem = answer !== null && 'problem' in answer ? answer.problem : null;
  const result =
    answer === null || 'problem' in answer
      ? null
      : html`<h2 id="result">Result</h2>
<pre>${answer.text}</pre>
`;
  const command =
    asked === null
      ? null
      : html`<p class="small">The same on the command line:<br><code>${commandLine(asked)}</code></p>\n`;
  const body = html`<p>What the gateway would do with a request, and why, by the configuration in use. Nothing is sent anywhere.</p>
${form(query)}${result}${command}`;
  return adminPage('/explain', { title: 'Explain', problem, body }, stamp);
}

function form(query: URLSearchParams): Html {
  const field = (name: string, label: string, hint: string | null, isNeeded = false) =>
    html`<div><label for="${name}">${label}</label>
<input id="${name}" name="${name}" value="${query.get(name) ?? (name === 'method' ? 'GET' : '')}" autocomplete="off"${isNeeded ? html` required` : null}${hint === null ? null : html` aria-describedby="${name}-hint"`}>${hint === null ? null : html`<p class="small" id="${name}-hint">${hint}</p>`}</div>
`;
  const check = (name: string, label: string) =>
    html`<label class="check"><input type="checkbox" name="${name}" value="1"${query.has(name) ? html` checked` : null}>${label}</label>
`;
  return html`<form action="/explain">
<div class="fields">
${field('method', 'Method', null, true)}${field('url', 'URL', '/path, or https://host/path', true)}${field('session', 'Session', 'Attributes of its user: roles=customer,subject=bob')}${field('service', 'Service', 'NAMESPACE/NAME, or ISSUER:SUBJECT,scope=orders:read')}${field('from', 'Address of the client', null)}<div><label for="as">Asked by a proxy</label>
<select id="as" name="as">${['', 'forward-auth', 'auth-request', 'refusal', 'ext-authz', 'ext-authz-grpc'].map((form) => html`<option value="${form}"${form === (query.get('as') ?? '') ? html` selected` : null}>${form === '' ? 'no' : form}</option>`)}</select></div>
</div>
<label for="header">Headers, one on each line</label>
<textarea id="header" name="header" rows="2">
${query.get('header') ?? ''}</textarea>
${check('outbound', 'The workload calls, on the outbound side')}${check('http2', 'Over HTTP/2')}<button>Explain</button>
</form>
`;
}

/** The same question on the command line. */
function commandLine(question: ExplainQuestion): string {
  const { method, url, session, service, header, from, as, outbound, http2 } = question;
  const options = Object.entries({ session, service, from, as }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, quoted(value)],
  );
  const flags = Object.entries({ outbound, http2 }).flatMap(([name, isSet]) => (isSet ? [`--${name}`] : []));
  const headers = header.flatMap((line) => ['--header', quoted(line)]);
  return ['sallyport explain', quoted(method), quoted(url), ...options, ...headers, ...flags].join(' ');
}

/** As one word of a POSIX shell. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
