/**
 * read: what configures an oauth2-proxy, that is its file (TOML), its command line, its environment, its alpha configuration (YAML), or
 * a manifest of Kubernetes or Compose, or a unit of systemd, with a command line and an environment in it.
 */

import { ConfigFault } from '../../../../errors.ts';
import { didYouMean } from '../../../../lib/text/nearest.ts';
import { OPTIONS, type OptionKey, optionOf, optionOfFlag } from '../options/table.ts';
import { readValue, type Setting, Settings } from '../settings.ts';
import { readWords } from './words.ts';

/** A file that was given. */
export interface GivenFile {
  readonly name: string;
  readonly text: string;
}

/** What the files say. */
export interface Sources {
  readonly settings: Settings;
  /** The alpha configuration; `null` without one. */
  readonly alpha: { readonly value: Readonly<Record<string, unknown>>; readonly file: string } | null;
  /** What oauth2-proxy itself ignores, or takes from elsewhere: a sentence each. */
  readonly notes: readonly string[];
}

/** Where a setting wins over one of the same option: the command line over the environment over the file. */
type Rank = 'file' | 'environment' | 'flags';

interface Found {
  readonly rank: Rank;
  readonly setting: Setting;
}

interface FilesRead {
  readonly found: Found[];
  readonly notes: string[];
  alpha: Sources['alpha'];
}

/** Keys at the top of an alpha configuration. */
const ALPHA_KEYS = [
  'upstreamConfig',
  'injectRequestHeaders',
  'injectResponseHeaders',
  'server',
  'metricsServer',
  'providers',
];

/**
 * Reads the files, in any order.
 *
 * @throws ConfigFault when one of them cannot be read, or has something that oauth2-proxy refuses
 */
export async function readSources(files: readonly GivenFile[]): Promise<Sources> {
  const reading: FilesRead = { found: [], notes: [], alpha: null };
  for (const file of files) await readFile(file, reading);
  const settings = new Settings();
  for (const rank of ['file', 'environment', 'flags'] as const)
    for (const { setting } of reading.found.filter((found) => found.rank === rank)) settings.set(setting);
  const { alpha, notes } = reading;
  if (settings.all.length === 0 && alpha === null)
    throw new ConfigFault(`${files.map(({ name }) => name).join(', ')}: no option of oauth2-proxy is set there`);
  return { settings, alpha, notes };
}

async function readFile(file: GivenFile, reading: FilesRead): Promise<void> {
  const { name, text } = file;
  const lines = text.split('\n').map((line) => line.trim());
  const written = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (/\.ya?ml$/.test(name) || (written[0] !== undefined && /^[\w-]+:(?:\s|$)/.test(written[0])))
    return await readYaml(file, reading);
  if (written.some((line) => line.startsWith('ExecStart='))) return readUnit(file, reading);
  if (written.some((line) => /^(?:export\s+)?OAUTH2_PROXY_\w+=/.test(line))) return readEnvironment(file, reading);
  if (written.some((line) => /(?:^|\s)--[a-z]/.test(line)) && !written.some((line) => /^\w+\s*=/.test(line)))
    return readFlags(readWords(text), name, reading);
  return await readToml(file, reading);
}

async function readToml({ name, text }: GivenFile, { found }: FilesRead): Promise<void> {
  const { parse, TomlError } = await import('smol-toml');
  let values: Record<string, unknown>;
  try {
    values = parse(text);
  } catch (error) {
    // Its message shows the line, which may hold a secret.
    if (error instanceof TomlError) throw new ConfigFault(`${name}:${error.line}:${error.column}: not valid TOML`);
    throw error;
  }
  for (const [key, written] of Object.entries(values))
    found.push({ rank: 'file', setting: settingOf(key, written, { name: key, file: name }) });
}

function settingOf(key: string, written: unknown, at: { name: string; file: string }): Setting {
  const row = optionOf(key);
  if (row === null) {
    const known = OPTIONS.map((option) => option.key);
    throw new ConfigFault(`${at.file}: ${at.name} is not an option of oauth2-proxy${didYouMean(key, known)}`);
  }
  return { key: row.key, value: readValue(row.key, written, at), ...at };
}

const VARIABLE = /^(?:export\s+)?(?<variable>OAUTH2_PROXY_\w+)=(?<value>.*)$/;

function readEnvironment({ name, text }: GivenFile, reading: FilesRead): void {
  for (const line of text.split('\n')) {
    const { variable, value = '' } = VARIABLE.exec(line.trim())?.groups ?? {};
    if (variable !== undefined) addVariable(variable, unquoted(value), name, reading);
  }
}

const unquoted = (value: string) => /^(["'])(.*)\1$/.exec(value.trim())?.[2] ?? value.trim();

/** @param value  `null` where a manifest takes it from a Secret or a ConfigMap */
function addVariable(variable: string, value: string | null, file: string, { found, notes }: FilesRead): void {
  const at = { name: variable, file };
  const row = optionOf(variable.slice('OAUTH2_PROXY_'.length).toLowerCase());
  if (row === null) notes.push(`${variable} (${file}) names no option, and oauth2-proxy ignores it.`);
  else if (value !== null)
    found.push({ rank: 'environment', setting: { key: row.key, value: readValue(row.key, value, at), ...at } });
  else if (row.isSecret) found.push({ rank: 'environment', setting: { key: row.key, value: UNKNOWN, ...at } });
  else notes.push(`${variable} (${file}) comes from a Secret or a ConfigMap: give its value to the import, too.`);
}

/** Stands for a secret that is somewhere else. */
export const UNKNOWN = '(elsewhere)';

const FLAG = /^--(?<flag>[a-z0-9-]+)(?:=(?<joined>.*))?$/s;

function readFlags(words: readonly string[], file: string, reading: FilesRead): void {
  const lists = new Map<OptionKey, readonly string[]>();
  // A value behind its flag, as a word of its own.
  let skips = false;
  for (const [index, word] of words.entries()) {
    const { flag, joined } = FLAG.exec(word)?.groups ?? {};
    const isValue = skips;
    skips = false;
    if (isValue || flag === undefined) continue;
    const row = optionOfFlag(flag);
    const at = { name: `--${flag}`, file };
    if (row === null) {
      const known = OPTIONS.map((option) => option.flag);
      throw new ConfigFault(`${file}: ${at.name} is not a flag of oauth2-proxy${didYouMean(flag, known, '--')}`);
    }
    skips = joined === undefined && row.type !== 'boolean';
    addFlag(row.key, joined ?? (skips ? (words[index + 1] ?? '') : 'true'), at, lists, reading);
  }
}

/** @param lists  what flags that are given several times have so far: each adds to its list */
function addFlag(
  key: OptionKey,
  written: string,
  at: { readonly name: string; readonly file: string },
  lists: Map<OptionKey, readonly string[]>,
  { found, notes }: FilesRead,
): void {
  if (key === 'config' || key === 'alpha_config')
    notes.push(`${at.name} (${at.file}) names a file: give it to the import, too, unless you did.`);
  const value = readValue(key, written, at);
  const list = Array.isArray(value) ? [...(lists.get(key) ?? []), ...value] : null;
  if (list !== null) lists.set(key, list);
  found.push({ rank: 'flags', setting: { key, value: list ?? value, ...at } });
}

async function readYaml({ name, text }: GivenFile, reading: FilesRead): Promise<void> {
  const { parseAllDocuments } = await import('yaml');
  for (const document of parseAllDocuments(text)) {
    const [problem] = document.errors ?? [];
    if (problem !== undefined) throw new ConfigFault(`${name}:${problem.linePos?.[0]?.line ?? 1}: not valid YAML`);
    const value: unknown = document.toJS();
    if (typeof value !== 'object' || value === null) continue;
    if (ALPHA_KEYS.some((key) => Object.hasOwn(value, key)) && !Object.hasOwn(value, 'kind'))
      reading.alpha = { value: value as Record<string, unknown>, file: name };
    else await readManifest(value, name, reading);
  }
}

/**
 * Command lines, environments and files, wherever they are: containers of Kubernetes, services of Compose, ConfigMaps, values of
 * Helm. Containers with an image of another name are left out.
 */
async function readManifest(value: unknown, file: string, reading: FilesRead): Promise<void> {
  if (Array.isArray(value)) for (const entry of value) await readManifest(entry, file, reading);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const { image } = value as { image?: unknown };
  const isOther = typeof image === 'string' && !/oauth2[-_]proxy/i.test(image);
  for (const [key, inner] of Object.entries(value)) {
    if ((key === 'args' || key === 'command') && isTexts(inner)) {
      if (!isOther) readFlags(typeof inner === 'string' ? readWords(inner) : inner, file, reading);
    } else if (key === 'env' || key === 'environment') readVariables(inner, file, reading);
    else if (typeof inner === 'string' && /^configFile$|\.(?:cfg|toml)$/.test(key))
      await readToml({ name: file, text: inner }, reading);
    else await readManifest(inner, file, reading);
  }
}

/** A unit of systemd: its command line, and the environment in it. */
function readUnit({ name, text }: GivenFile, reading: FilesRead): void {
  const joined = text.replaceAll('\\\n', ' ');
  for (const line of joined.split('\n')) {
    if (line.startsWith('ExecStart=')) readFlags(readWords(line.slice('ExecStart='.length)), name, reading);
    if (line.startsWith('Environment='))
      readEnvironment({ name, text: readWords(line.slice('Environment='.length)).join('\n') }, reading);
  }
}

const isTexts = (value: unknown): value is string | string[] =>
  typeof value === 'string' || (Array.isArray(value) && value.every((entry) => typeof entry === 'string'));

function readVariables(value: unknown, file: string, reading: FilesRead): void {
  const entries: (readonly [unknown, unknown])[] = Array.isArray(value)
    ? value.map((entry: unknown) => {
        if (typeof entry === 'string') return [entry.split('=')[0], entry.slice(entry.indexOf('=') + 1)] as const;
        const { name, value: written = null } = (entry ?? {}) as { name?: unknown; value?: unknown };
        return [name, written] as const;
      })
    : Object.entries((value ?? {}) as Record<string, unknown>);
  for (const [variable, written] of entries)
    if (typeof variable === 'string' && variable.startsWith('OAUTH2_PROXY_'))
      addVariable(variable, written === null ? null : String(written), file, reading);
}
