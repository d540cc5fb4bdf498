/**
 * findings: findings about a configuration, and their codes. Each folder keeps the codes of its findings beside the rules that report
 * them; `gateway/configuration/parts.ts` lists all, and `docs/reference/problems.md` is generated from it.
 */

/** Whether a configuration with a finding can still be used. */
type Severity = 'error' | 'warning';

/** A row of a table of codes, before it has its name. */
interface CodeRow<S extends Severity> {
  readonly severity: S;
  /** What it means and what to do, for the documentation. */
  readonly meaning: string;
}

/** The kind of a finding. Codes are stable: the output of `validate` and `acceptWarnings` use them. */
export interface Code<Name extends string = string, S extends Severity = Severity> extends CodeRow<S> {
  /** `routes/unreachable`: what the finding is about, then what is wrong. */
  readonly code: Name;
}

/** A table of codes by name. */
export type Codes = Readonly<Record<string, Code>>;

/** A code for a finding that makes a configuration unusable. */
export const error = (meaning: string): CodeRow<'error'> => ({ severity: 'error', meaning });
/** A code for something that is probably unintended; `acceptWarnings` silences it. */
export const warning = (meaning: string): CodeRow<'warning'> => ({ severity: 'warning', meaning });

/** The codes of a folder. A finding is reported with one of them in hand, so a misspelt code does not compile. */
export function defineCodes<const T extends Readonly<Record<string, CodeRow<Severity>>>>(
  rows: T,
): { readonly [Name in keyof T & string]: Code<Name, T[Name]['severity']> } {
  return Object.fromEntries(Object.entries(rows).map(([code, row]) => [code, { code, ...row }])) as ReturnType<
    typeof defineCodes<T>
  >;
}

/** The path to a value in a configuration: `['routes', 2, 'upstream']`. */
export type KeyPath = readonly (string | number)[];

/** One finding, at one place. */
export interface Problem {
  /** Name of a {@link Code}. */
  readonly code: string;
  readonly severity: Severity;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
  /** After the last column, on the same line. */
  readonly endColumn: number;
  /** `routes[2].upstream`; empty for the file as a whole. */
  readonly path: string;
  /** One sentence without a full stop, `path` included. Never a secret, never an expanded value of a secret key. */
  readonly message: string;
  /** What to do about it; `null` when there is nothing to suggest. */
  readonly hint: string | null;
}

const PLAIN_KEY = /^[A-Za-z_$][A-Za-z0-9_$-]*$/;

/** A path as people write it. */
export function formatPath(path: KeyPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const key = PLAIN_KEY.test(part) ? part : JSON.stringify(part);
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

/** In the order of the file; at one place errors first. */
export const byPosition = (a: Problem, b: Problem): number =>
  a.line - b.line || a.column - b.column || a.severity.localeCompare(b.severity) || a.code.localeCompare(b.code);
