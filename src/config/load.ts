/**
 * config: turns text into a configuration that can be run, or into a list of everything that is wrong with it.
 *
 * YAML → former names replaced → references expanded → schema → rules between keys. Pure: opens nothing and builds no client; reads files and
 * the environment only through its options. Never throws for bad text.
 */

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { ConfigFault } from '../errors.ts';
import { errorCode } from '../lib/error-code.ts';
import type { SchemaContext } from './fields.ts';
import { type ConfigFiles, systemFiles } from './files/files.ts';
import { lintSecretFiles } from './files/lint-secret-files.ts';
import { codes } from './findings/codes.ts';
import { byPosition, type Problem } from './findings/problem.ts';
import type { LintContext } from './lint.ts';
import { configHash, effectiveConfig } from './redact.ts';
import { describeIssue, reportIssues, valueAt } from './report.ts';
import { type RestartKeys, restartKeys } from './restart.ts';
import type { Renames } from './text/renames.ts';
import { ConfigSource } from './text/source.ts';
import { walkKeys } from './walk.ts';

/** How a configuration is loaded. */
export interface LoadOptions {
  /** Of the file. Paths in the configuration are relative to it, or to `cwd` for `-`, standard input. */
  readonly path: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: the files of this machine. */
  readonly files?: ConfigFiles;
}

/** A configuration that can be run. */
export interface Loaded<C> {
  readonly config: C;
  /** Without those in its `acceptWarnings`. */
  readonly warnings: readonly Problem[];
  /** Short name of the configuration, safe to publish: see {@link configHash}. */
  readonly hash: string;
  /** As it was given. */
  readonly path: string;
  /** What `/-/config` shows: see {@link effectiveConfig}. */
  readonly effective: unknown;
  /** The keys whose change needs a restart; `null` when there are none. */
  readonly restartKeys: RestartKeys | null;
}

/** The result of loading. */
export interface Result<C, D> {
  /** As it was given. */
  readonly path: string;
  /** `null` when at least one problem is an error. */
  readonly loaded: Loaded<C> | null;
  /** Errors and warnings in the order of the file. */
  readonly problems: readonly Problem[];
  /** Shows the places of the problems. */
  readonly source: ConfigSource;
  /** The part of it that is valid, for further checks; `null` when the text is not YAML. */
  readonly draft: D | null;
  /** Every file and directory that it names, `${file:…}` included, whether it is there or not. Absolute. */
  readonly files: ReadonlySet<string>;
}

/** What a configuration is made of: keys, and rules between them. */
export interface Composition<S extends z.ZodType, D> {
  readonly schema: (context: SchemaContext) => S;
  /** The part of it that is valid; `config` is `null` when not all of it is. */
  readonly draftOf: (schema: S, written: unknown, config: z.output<S> | null) => D;
  readonly lints: readonly ((context: LintContext<D>) => void)[];
  /** Former names that are understood. */
  readonly renames: Renames;
}

/** Loads a configuration from its text. */
export function load<S extends z.ZodType, D>(
  text: string,
  { path, cwd, env, files = systemFiles }: LoadOptions,
  composition: Composition<S, D>,
): Result<z.output<S>, D> {
  const baseDir = path === '-' ? cwd : dirname(resolve(cwd, path));
  const named = new Set<string>();
  const name = (file: string) => {
    named.add(file);
    return file;
  };
  const readFile = (file: string) => files.read(name(resolve(baseDir, file)));
  const source = new ConfigSource(text, { env, readFile }, composition.renames);
  const schema = composition.schema({ baseDir, fileProblem: (file, kind) => files.problem(name(file), kind) });
  const { config, draft } =
    source.value === undefined ? { config: null, draft: null } : validate(source, schema, composition);
  if (draft !== null) lintSecretFiles(source, schema, baseDir, files.isWorldReadable);
  const problems = reported(source).toSorted(byPosition);
  if (config === null || problems.some(({ severity }) => severity === 'error')) {
    return { path, loaded: null, problems, source, draft, files: named };
  }
  const effective = effectiveConfig(schema, source);
  const facts = { hash: configHash(effective), path, effective, restartKeys: restartKeys(schema) };
  return { path, loaded: { config, warnings: problems, ...facts }, problems, source, draft, files: named };
}

/** The format that is read. */
export const FORMAT_VERSION = 1;

/** Whether a file states another format, in which the same keys may mean something else. */
const isOfOtherFormat = (value: unknown): value is { readonly version: number } => {
  const version = valueAt(value, ['version']);
  return typeof version === 'number' && version !== FORMAT_VERSION;
};

/** Applies schema and rules; `config` is `null` when it breaks the schema. Findings go to the source. */
function validate<S extends z.ZodType, D>(
  source: ConfigSource,
  schema: S,
  { draftOf, lints }: Composition<S, D>,
): { readonly config: z.output<S> | null; readonly draft: D | null } {
  walkKeys(schema, source.value, (path, _value, { secret }) => {
    if (secret === true) source.hide(path);
  });
  if (isOfOtherFormat(source.value)) {
    source.report(
      codes['config/invalid-value'],
      ['version'],
      `version ${source.value.version} is another format: this release reads version ${FORMAT_VERSION}`,
      'use the release that the file was written for',
    );
    return { config: null, draft: null };
  }
  const parsed = schema.safeParse(source.value, { error: describeIssue });
  if (!parsed.success) reportIssues(parsed.error.issues, schema, source);
  const config = parsed.success ? parsed.data : null;
  const draft = draftOf(schema, source.value, config);
  for (const lint of lints) lint({ draft, source });
  return { config, draft };
}

/** Whether a finding is about the text itself, so that findings about the same value only repeat it. */
const isBasic = (code: string) => code.startsWith('yaml/') || code === 'config/variable';

/** Drops accepted warnings, and findings of the schema where YAML or a reference has already failed. */
function reported({ problems, value }: ConfigSource): Problem[] {
  const accepted = valueAt(value, ['acceptWarnings']);
  const codes: unknown[] = Array.isArray(accepted) ? accepted : [];
  const placeOf = ({ line, column }: Problem) => `${line}:${column}`;
  const broken = new Set(problems.filter(({ code }) => isBasic(code)).map(placeOf));
  return problems.filter((problem) => {
    if (problem.severity === 'warning') return !codes.includes(problem.code);
    return isBasic(problem.code) || !broken.has(placeOf(problem));
  });
}

/**
 * Reads the text of a configuration file.
 *
 * @param name  what to call it in the message
 * @throws ConfigFault when it cannot be read or is not UTF-8
 */
export function readConfigText(path: string, name = path): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (cause) {
    throw new ConfigFault(`${name}: ${whyUnreadable(cause)}`, { cause });
  }
}

function whyUnreadable(cause: unknown): string {
  switch (errorCode(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file';
    case 'EISDIR':
      return 'is a directory';
    case 'EACCES':
      return 'this user may not read it';
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'is not UTF-8 text';
    default:
      return 'cannot be read';
  }
}
