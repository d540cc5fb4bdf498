/**
 * Records what a process loads that is started with `--import …/record-modules.ts?to=FILE`: when it exits, the file
 * contains the URLs of modules, and the names of Node's own parts.
 */

import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const loaded: string[] = [];
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url);
    return nextLoad(url, context);
  },
});

const file = new URL(import.meta.url).searchParams.get('to');
if (file === null) throw new Error('?to=FILE is missing');
process.once('exit', () => {
  // A list for tools, without types.
  const { moduleLoadList } = process as unknown as { readonly moduleLoadList: readonly string[] };
  writeFileSync(file, JSON.stringify([...loaded, ...moduleLoadList]));
});
