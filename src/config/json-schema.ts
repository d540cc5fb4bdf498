/** The schema of the configuration file as JSON Schema draft-07. Keys with defaults are optional. */

import { z } from 'zod';
import { EACH, type KeyRename, type Pattern, patternOf, type Renames, type ValueRename } from './text/renames.ts';
import type { KeyMeta } from './walk.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** A reference can stand for any scalar: its type is known only once it is expanded. */
const REFERENCE = { type: 'string', pattern: '\\$\\{[^}]*\\}' } as const;
const REFERENCE_NAME = 'reference';
/** `id` in the metadata of the root. */
const ROOT_NAME = 'Sallyport';

/**
 * Makes the JSON Schema of a schema. Deterministic.
 *
 * @param renames  former names, which it accepts and marks as deprecated
 */
export function configJsonSchema(schema: z.ZodType, renames: Renames): JsonSchema {
  const generated = z.toJSONSchema(schema, {
    target: 'draft-07',
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => tidy(jsonSchema),
  }) as unknown as JsonSchema & { readonly definitions: Readonly<Record<string, JsonSchema>> };
  // Editors expect the root in its place, not behind a reference.
  const { [ROOT_NAME]: root, ...definitions } = generated.definitions;
  const whole = {
    $schema: generated.$schema,
    ...root,
    definitions: { ...definitions, [REFERENCE_NAME]: { ...REFERENCE, description: 'Expanded when the file is read.' } },
  } as JsonSchema;
  for (const row of renames.keys) addFormerKey(whole, row);
  for (const row of renames.values) addFormerValues(whole, row);
  return whole;
}

/** `deprecated` is the standard's keyword since 2019-09, `deprecationMessage` what editors show. */
const deprecated = (message: string) => ({ deprecated: true, deprecationMessage: message });

function addFormerKey(whole: JsonSchema, { from, to }: KeyRename): void {
  const { default: _default, description: _description, ...present } = jsonSchemaAt(whole, patternOf(to));
  const former = patternOf(from);
  const { properties } = jsonSchemaAt(whole, former.slice(0, -1));
  if (properties === undefined) throw new Error(`${from} is below no map`);
  properties[String(former.at(-1))] = { ...present, ...deprecated(`It is now ${to}.`) };
}

function addFormerValues(whole: JsonSchema, { key, values }: ValueRename): void {
  const { anyOf } = jsonSchemaAt(whole, patternOf(key));
  if (anyOf === undefined) throw new Error(`${key} has no fixed values`);
  for (const [former, present] of Object.entries(values)) {
    anyOf.push({ const: former, ...deprecated(`It is now written ${present}.`) } as JsonSchema);
  }
}

/** The schema of a key; throws where the pattern leads nowhere. */
function jsonSchemaAt(whole: JsonSchema, pattern: Pattern): JsonSchema {
  return pattern.reduce<JsonSchema>((schema, part) => {
    const { properties, items, additionalProperties } = schema;
    const child = part === EACH ? (items ?? additionalProperties) : properties?.[part];
    if (typeof child !== 'object' || Array.isArray(child)) throw new Error(`no schema of ${String(part)}`);
    const name = child.$ref?.replace('#/definitions/', '');
    return name === undefined ? child : ((whole['definitions'] as Record<string, JsonSchema>)[name] as JsonSchema);
  }, whole);
}

/** Adds the metadata to descriptions, and allows references wherever a scalar is restricted. */
function tidy(json: JsonSchema & KeyMeta): void {
  const { restart, secret: _secret, secretFile: _secretFile, kind: _kind, limits: _limits, ...kept } = json;
  const description =
    restart === true ? `${json.description ?? ''} A change needs a restart.`.trim() : json.description;
  for (const key of Object.keys(json)) Reflect.deleteProperty(json, key);
  Object.assign(json, kept, description === undefined ? {} : { description });
  const isRestricted =
    json.pattern !== undefined || json.enum !== undefined || json.type === 'integer' || json.type === 'boolean';
  if (!isRestricted) return;
  const { description: words, default: fallback, ...restriction } = json;
  for (const key of Object.keys(json)) Reflect.deleteProperty(json, key);
  Object.assign(json, {
    ...(words !== undefined && { description: words }),
    ...(fallback !== undefined && { default: fallback }),
    anyOf: [restriction, { $ref: `#/definitions/${REFERENCE_NAME}` }],
  });
}
