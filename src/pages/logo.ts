/**
 * Logos: read from a file once, and part of each page that shows them, as a `data:` URI. So a page is one answer, nothing
 * appears late, and the gateway serves no image of its own.
 *
 * An SVG in an `<img>` runs no script and loads nothing (SVG Integration §4, "secure static mode"), and the policy of the pages
 * forbids both again. A file that needs either is refused here, so that its owner finds out.
 */

import { readFile } from 'node:fs/promises';
import { ConfigFault } from '../errors.ts';

/** In each page that shows it, so not for photographs. */
export const MAX_LOGO_BYTES = 32_768;

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** What an SVG must not have, in lower case, and what it is called. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/<script/, 'has a script'],
  [/\son[a-z]+\s*=/, 'has an event handler'],
  [/javascript:/, 'has a javascript: address'],
  [/<foreignobject/, 'has a foreignObject, which can hold any markup'],
  [/<!(?:doctype|entity)/, 'has a document type, which can define entities'],
  [/href\s*=\s*(?:"|')(?!#|data:image\/)/, 'refers to something outside of the file, which a page does not load'],
  [/url\(\s*(?:"|')?(?!#|data:image\/|"|'|\s)/, 'refers to something outside of the file, which a page does not load'],
  [/@import/, 'refers to something outside of the file, which a page does not load'],
];

/**
 * Reads a logo.
 *
 * @returns a `data:` URI
 * @throws ConfigFault when it is neither an SVG nor a PNG, too large, or an SVG that a page would not show as it is meant
 */
export async function readLogo(path: string): Promise<string> {
  const bytes = await readFile(path);
  if (bytes.byteLength > MAX_LOGO_BYTES) throw new ConfigFault(`${path} is larger than ${MAX_LOGO_BYTES / 1_024} KiB`);
  if (bytes.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE)) return dataUri('image/png', bytes);
  const problem = svgProblem(bytes.toString('utf8'));
  if (problem !== null) throw new ConfigFault(`${path} ${problem}`);
  return dataUri('image/svg+xml', bytes);
}

const dataUri = (mediaType: string, bytes: Buffer) => `data:${mediaType};base64,${bytes.toString('base64')}`;

/** What is wrong with an SVG. */
function svgProblem(text: string): string | null {
  const lower = text.toLowerCase();
  if (!lower.includes('<svg') || !/^[\ufeff\s]*</.test(text)) return 'is neither an SVG nor a PNG';
  if (!lower.includes('http://www.w3.org/2000/svg'))
    return 'is an SVG without xmlns="http://www.w3.org/2000/svg", which browsers do not show';
  return FORBIDDEN.find(([pattern]) => pattern.test(lower))?.[1] ?? null;
}
