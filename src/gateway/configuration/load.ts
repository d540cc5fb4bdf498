/**
 * Loads a configuration of the gateway: the mechanism of `config/load.ts` with the schema, the draft and the rules of all
 * parts. Pure, as that is; never throws for bad text.
 */

import { configJsonSchema } from '../../config/json-schema.ts';
import { type Composition, type Loaded, type LoadOptions, load, type Result } from '../../config/load.ts';
import { type Draft, partialDraft, wholeDraft } from './draft.ts';
import { PARTS } from './parts.ts';
import { RENAMES } from './renames.ts';
import { bareSchema, type Config, configSchema } from './schema.ts';

/** A configuration that can be run. */
export type LoadedConfig = Loaded<Config>;
/** What loading a configuration gives: it, or what is wrong with it. */
export type LoadResult = Result<Config, Draft>;

/** What a configuration of the gateway is made of. */
export const COMPOSITION: Composition<ReturnType<typeof configSchema>, Draft> = {
  schema: configSchema,
  draftOf: (schema, written, config) => (config === null ? partialDraft(schema, written) : wholeDraft(config)),
  lints: PARTS.map(({ lint }) => lint),
  renames: RENAMES,
};

/** Loads a configuration from its text. */
export function loadConfig(text: string, options: LoadOptions): LoadResult {
  return load(text, options, COMPOSITION);
}

/** The JSON Schema of the configuration, former names included. Deterministic. */
export const jsonSchema = () => configJsonSchema(bareSchema(), RENAMES);
