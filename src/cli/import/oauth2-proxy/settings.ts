/** Options of oauth2-proxy as they were found: each with its value, and how and where it was written. */

import { ConfigFault } from '../../../errors.ts';
import type { OptionType } from './options/row.ts';
import { type OptionKey, type OptionKeyOf, optionOf } from './options/table.ts';

/** What an option has, by its type. Durations are in milliseconds. */
interface Values {
  readonly text: string;
  readonly list: readonly string[];
  readonly boolean: boolean;
  readonly number: number;
  readonly duration: number;
}

/** What an option can have. */
export type SettingValue = Values[OptionType];

/** One option that is set. */
export interface Setting {
  readonly key: OptionKey;
  readonly value: SettingValue;
  /**
   * As written in its file: `cookie_expire`, `--cookie-expire`, `OAUTH2_PROXY_COOKIE_EXPIRE`, `providers[0].clientID`.
   */
  readonly name: string;
  /** The file. */
  readonly file: string;
}

type ValueOf<K extends OptionKey> = {
  [T in OptionType]: K extends OptionKeyOf<T> ? Values[T] : never;
}[OptionType];

/** The options that are set. */
export class Settings {
  readonly #byKey = new Map<OptionKey, Setting>();

  /** Sets an option, over what it had before. */
  set(setting: Setting): void {
    this.#byKey.set(setting.key, setting);
  }

  /** How an option is set; `null` when it is not, or when it is set to nothing. */
  get<K extends OptionKey>(key: K): (Setting & { readonly value: ValueOf<K> }) | null {
    const setting = this.#byKey.get(key) ?? null;
    return setting === null || isNothing(setting.value) ? null : (setting as never);
  }

  /** Forgets an option. */
  remove(key: OptionKey): void {
    this.#byKey.delete(key);
  }

  /** The options that are set, in the order of their files. */
  get all(): readonly Setting[] {
    return [...this.#byKey.values()];
  }

  /** The text of an option; `null` when it is not set. */
  text(key: OptionKeyOf<'text'>): string | null {
    return this.get(key)?.value ?? null;
  }

  /** The entries of an option, without empty ones; none when it is not set. */
  list(key: OptionKeyOf<'list'>): readonly string[] {
    return (this.get(key)?.value ?? []).filter((entry) => entry !== '');
  }

  /** Whether an option holds, by oauth2-proxy's default when it is not set. */
  holds(key: OptionKeyOf<'boolean'>): boolean {
    return this.get(key)?.value ?? optionOf(key)?.default === true;
  }
}

const isNothing = (value: SettingValue) =>
  value === '' || (Array.isArray(value) && value.every((entry) => entry === ''));

/** Whether an option is set to what oauth2-proxy takes anyway. */
export function isDefault({ key, value }: Setting): boolean {
  const row = optionOf(key);
  if (row === null) return false;
  const { type, default: preset } = row;
  if (preset === undefined) return isNothing(value) || value === false || value === 0;
  if (type === 'duration') return value === readDuration(String(preset));
  return Array.isArray(value) ? value.join(',') === preset : value === preset;
}

/**
 * Reads a value by the type of its option, as oauth2-proxy does. Lists are separated by commas.
 *
 * @param written  of a file that has types, or text of a command line or the environment
 * @throws ConfigFault that names the option, and not its value
 */
export function readValue(key: OptionKey, written: unknown, at: { name: string; file: string }): SettingValue {
  const { read, what } = READERS[optionOf(key)?.type ?? 'text'];
  const value = read(written);
  if (value === null) throw new ConfigFault(`${at.file}: ${at.name} must be ${what}`);
  return value;
}

interface ValueReader {
  /** `null` for anything else. */
  readonly read: (written: unknown) => SettingValue | null;
  readonly what: string;
}

const READERS: Readonly<Record<OptionType, ValueReader>> = {
  text: {
    what: 'text',
    read: (written) => (['string', 'number', 'boolean'].includes(typeof written) ? String(written) : null),
  },
  boolean: {
    what: 'true or false',
    read: (written) => {
      if (/^(?:true|t|1)$/i.test(String(written))) return true;
      return /^(?:false|f|0)$/i.test(String(written)) ? false : null;
    },
  },
  number: {
    what: 'a whole number',
    read: (written) => (/^-?\d+$/.test(String(written)) ? Number(written) : null),
  },
  duration: {
    what: 'a duration with a unit, such as 168h',
    read: (written) => (typeof written === 'string' ? readDuration(written) : null),
  },
  list: {
    what: 'a list of texts',
    read: (written) => {
      const list: readonly unknown[] = Array.isArray(written) ? written : String(written).split(',');
      return list.every((entry) => typeof entry === 'string') ? list.map((entry) => entry.trim()) : null;
    },
  },
};

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Reads a duration of Go: `168h0m0s`, `1.5h`; `0`.
 *
 * @returns whole milliseconds; `null` when it is not one, or is negative
 */
export function readDuration(text: string): number | null {
  if (text === '0') return 0;
  if (text.length > 40 || !/^\+?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return null;
  const units = text.split(/[\d.+]+/).filter((unit) => unit !== '');
  const amounts = text.split(/[^\d.]+/).filter((amount) => amount !== '');
  return Math.round(
    units.reduce((totalMs, unit, index) => totalMs + Number(amounts[index]) * (UNITS_MS[unit] ?? 0), 0),
  );
}
