/** The schema of the configuration file as JSON Schema draft-07. Keys with defaults are optional. */

import { z } from 'zod';
import type { KeyMeta } from './walk.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** A reference can stand for any scalar: its type is known only once it is expanded. */
const REFERENCE = { type: 'string', pattern: '\\$\\{[^}]*\\}' } as const;
const REFERENCE_NAME = 'reference';
/** `id` in the metadata of the root. */
const ROOT_NAME = 'Sallyport';

/** Makes the JSON Schema of a schema. Deterministic. */
export function configJsonSchema(schema: z.ZodType): JsonSchema {
  const generated = z.toJSONSchema(schema, {
    target: 'draft-07',
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => tidy(jsonSchema),
  }) as unknown as JsonSchema & { readonly definitions: Readonly<Record<string, JsonSchema>> };
  // Editors expect the root in its place, not behind a reference.
  const { [ROOT_NAME]: root, ...definitions } = generated.definitions;
  return {
    $schema: generated.$schema,
    ...root,
    definitions: { ...definitions, [REFERENCE_NAME]: { ...REFERENCE, description: 'Expanded when the file is read.' } },
  } as JsonSchema;
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
