/**
 * The effective configuration: as written, with references expanded and defaults filled in, without secrets. `/-/config`
 * shows it in the form of the file (`30s`, `16KiB`), and the hash of the configuration is computed from it.
 */

import { hash } from 'node:crypto';
import type { z } from 'zod';
import { isJsonObject } from '../lib/text/json.ts';
import { replaceUrlPasswords } from './findings/mask.ts';
import type { KeyPath } from './findings/problem.ts';
import type { ConfigSource } from './text/source.ts';
import { entriesOf, shapeOf, unwrap } from './walk.ts';

const HIDDEN = '***';

/**
 * Makes the effective configuration as plain data.
 *
 * Values of keys that may hold a secret are replaced (of a URL, only the password and the query); values from
 * `${file:…}` are shown as written. Files that keys name are not read.
 */
export function effectiveConfig(schema: z.core.$ZodType, source: ConfigSource): unknown {
  return effective(schema, source.value, [], source);
}

function effective(outer: z.core.$ZodType, written: unknown, path: KeyPath, source: ConfigSource): unknown {
  const { schema, meta, fallback } = unwrap(outer);
  const value = written ?? fallback;
  if (typeof value === 'string') {
    const before = source.writtenAt(path);
    const shown = before?.usesFile === true ? before.text : value;
    return meta.secret === true ? withoutSecret(shown) : shown;
  }
  if (Array.isArray(value)) {
    const entries = entriesOf(schema);
    return entries === null ? value : value.map((item, index) => effective(entries, item, [...path, index], source));
  }
  if (typeof value !== 'object' || value === null) return value;
  const shape = shapeOf(schema);
  const entries = entriesOf(schema);
  const keys = shape === null ? Object.keys(value) : Object.keys(shape);
  return Object.fromEntries(
    keys.flatMap((key) => {
      const child = shape === null ? entries : shape[key];
      const present = (value as Record<string, unknown>)[key];
      const shown = child == null ? present : effective(child, present, [...path, key], source);
      return shown === undefined ? [] : [[key, shown]];
    }),
  );
}

const URL_FORM = /^[a-z][a-z+.-]*:\/\//i;

/** Hides a secret; of a URL, only the password and the query. */
function withoutSecret(text: string): string {
  return URL_FORM.test(text) ? replaceUrlPasswords(text, () => HIDDEN).replace(/\?.*$/s, '') : HIDDEN;
}

/**
 * A short name for a configuration: the first 48 bits of a SHA-256 over its effective form, keys sorted.
 *
 * Secrets are not part of it, so it can be published and does not reveal whether a password changed.
 */
export function configHash(effectiveForm: unknown): string {
  return hash('sha256', canonicalJson(effectiveForm), 'hex').slice(0, 12);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isJsonObject(item) ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
}
