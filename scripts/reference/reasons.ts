/** `docs/reference/reasons.md`: why a request is refused or fails. */

import { problemDocument, REASONS, type Reason } from '../../src/errors.ts';
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
      ...(row.alert === true ? ['something is broken'] : []),
    ].join(', '),
    row.logLevel,
  ]);
  const example: Reason = 'route_forbidden';
  return `${generated('src/errors.ts')}
# Reasons

Whatever the gateway refuses or cannot do, it answers for one of these reasons. Programs get a problem document
(RFC 9457, \`application/problem+json\`) that names it, people a page; the log, the audit stream and the metric
\`sallyport_auth_decisions_total\` bear it too. The log also has a note that says which rule fired; the client does not get it.

\`\`\`json
${JSON.stringify(JSON.parse(problemDocument(example, '4bf92f3577b34da6a3ce929d0e0e4736')), null, 2)}
\`\`\`

A 401 that logging in can mend is a redirect to the login page instead when a person navigates. 499 is never sent: the
client has left.

${table(['Reason', 'Status', 'What the client is told', 'Besides', 'Log level'], rows)}`;
}
