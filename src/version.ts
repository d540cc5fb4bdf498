/** Which program this is: `version` of package.json, which is beside `src/` as it is beside `dist/`. */

import { readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** As in package.json: `0.1.0`. */
export const VERSION = version;

/** The commit that it was built from, as set when the image was built (`--build-arg REVISION=…`); else `unknown`. */
export const revisionOf = (env: Readonly<Record<string, string | undefined>>): string =>
  env['SALLYPORT_REVISION'] || 'unknown';
