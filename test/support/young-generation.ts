/** Tells what a collection of the young generation leaves, in the test's own process. */

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;

/** How many of these objects are left. Later collections of the young generation would leave as many. */
export async function leftByYoungCollections(objects: readonly WeakRef<object>[]): Promise<number> {
  // What was looked at in a turn of the event loop stays until its end.
  await setImmediate();
  for (let collection = 0; collection < 3; collection += 1) collectGarbage({ type: 'minor' });
  await setImmediate();
  return objects.filter((object) => object.deref() !== undefined).length;
}
