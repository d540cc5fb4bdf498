/** `docs/reference/renamed-keys.md`: the former names that are still understood. */

import { RENAMES } from '../../src/gateway/configuration/renames.ts';
import { cell, code, generated, table } from './markdown.ts';

/** Writes the page. */
export function renamedKeysPage(): string {
  const keys = RENAMES.keys.map(({ from, to, since, why }) => [code(from), code(to), since, cell(why)]);
  const values = RENAMES.values.flatMap(({ key, values, since, why }) =>
    Object.entries(values).map(([former, present]) => [code(key), code(former), code(present), since, cell(why)]),
  );
  return `${generated('src/gateway/configuration/renames.ts')}
# Renamed keys

Former names that this version still understands. \`sallyport validate\` warns about each one in a configuration
([\`config/renamed-key\`, \`config/renamed-value\`](problems.md)); \`sallyport migrate\` replaces them
([how to upgrade](../upgrading.md)). A former name works in the version that renames the key, and for at least one more minor version
and three months. A key that is present under both names is an error.

## Keys

${table(['Former', 'Now', 'Since', 'Why'], keys)}
## Values

${table(['Key', 'Former', 'Now', 'Since', 'Why'], values)}`;
}
