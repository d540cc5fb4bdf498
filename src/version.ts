/** The version of this program: `version` of package.json, which stands beside `src/` as it stands beside `dist/`. */

import { readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** As in package.json: `0.1.0`. */
export const VERSION = version;
