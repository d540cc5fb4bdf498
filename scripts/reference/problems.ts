/** `docs/reference/problems.md`: the codes of `sallyport validate`. */

import { PROBLEM_CODES } from '../../src/gateway/configuration/parts.ts';
import { cell, code, generated, table } from './markdown.ts';

/** Writes the page. */
export function problemsPage(): string {
  const rows = (severity: 'error' | 'warning') =>
    Object.entries(PROBLEM_CODES)
      .filter(([, row]) => row.severity === severity)
      .map(([name, { meaning }]) => [code(name), cell(meaning)]);
  return `${generated('src/gateway/configuration/parts.ts')}
# Problems of a configuration

The codes that \`sallyport validate\`, \`start\` and a reload print after each finding. They are stable.

## Errors

With one of these the configuration is not used: the gateway does not start, and a reload keeps the one in use.

${table(['Code', 'Meaning'], rows('error'))}
## Warnings

Probably unintended. If one is intended, list its code in \`acceptWarnings\`; \`sallyport validate --strict\` fails on the others.

${table(['Code', 'Meaning'], rows('warning'))}`;
}
