/** `docs/reference/reasons.md`: why a request is refused or fails. */

import { ADVICE } from '../../src/cli/why/advice.ts';
import { problemDocument, REASONS, type Reason } from '../../src/errors.ts';
import { REASONS_PAGE } from '../../src/response/section.ts';
import { cell, code, generated, table } from './markdown.ts';

/** Writes the page. */
export function reasonsPage(): string {
  const rows = Object.entries(REASONS).map(([reason, row]) => [
    code(reason),
    String(row.status),
    cell(row.detail),
    [
      ...(row.close === true ? ['connection closed'] : []),
      ...(row.retryAfterSec === undefined ? [] : [`\`Retry-After: ${row.retryAfterSec}\``]),
      ...(row.alert ? ['something is broken'] : []),
    ].join(', '),
    row.logLevel,
  ]);
  const advice = Object.entries(ADVICE)
    .map(([reason, { cause, cure }]) => `\n### ${code(reason)}\n\n${cause}\n\n${cure}\n`)
    .join('');
  const example: Reason = 'route_forbidden';
  return `${generated('src/errors.ts')}
# Reasons

Every refusal and failure has one of these reasons. Programs get a problem document (RFC 9457,
\`application/problem+json\`) that names it, people a page; the log, the audit stream and the metric
\`sallyport_auth_decisions_total\` carry it too. The log also has a note that names the rule; clients do not get the note.

\`\`\`json
${JSON.stringify(JSON.parse(problemDocument(example, '4bf92f3577b34da6a3ce929d0e0e4736', REASONS_PAGE)), null, 2)}
\`\`\`

\`type\` leads to the heading of the reason below; \`problemTypeBase\` of the configuration sets another page, or none.

A 401 that logging in would resolve becomes a redirect to the login page when a person navigates. 499 is never sent: the
client has disconnected.

${table(['Reason', 'Status', 'What the client is told', 'Besides', 'Log level'], rows)}
## What to do

\`sallyport why REQUEST-ID\` shows this for a request, with its details.
${advice}`;
}
