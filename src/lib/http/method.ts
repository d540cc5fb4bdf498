/** The methods that Node's parser of HTTP/1.1 accepts; all other code that reads a method accepts the same ones. */

import { METHODS } from './node-http.ts';

const METHOD_NAMES: ReadonlySet<string> = new Set(METHODS);

/** Whether a text, as it is written, is one of them. */
export const isMethod = (text: string): boolean => METHOD_NAMES.has(text);
