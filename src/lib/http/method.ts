/** The methods of HTTP/1.1 that Node's parser knows: everything that reads a method by itself accepts the same. */

import { METHODS } from './node-http.ts';

const METHOD_NAMES: ReadonlySet<string> = new Set(METHODS);

/** Whether a text, as it is written, is one of them. */
export const isMethod = (text: string): boolean => METHOD_NAMES.has(text);
