/**
 * `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `${file:/path}` in the scalar values of a configuration.
 *
 * They are expanded after YAML is parsed, so a value cannot add structure, and only once, so a value cannot add further
 * references. `$${` is a literal `${`.
 */

import { nearest } from '../../lib/text/nearest.ts';

/** Where values come from. */
export interface VariableSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Reads the file of a `${file:…}`.
   *
   * @returns its text, or why it is unavailable; `null` when files are not read (`--no-files`)
   */
  readonly readFile: (path: string) => { readonly text: string } | { readonly problem: string } | null;
}

/** A scalar after expansion. */
interface Expansion {
  readonly text: string;
  /** Whether a part of it comes from a file, and must not be shown. */
  readonly usesFile: boolean;
  /** Whether a part of it is unavailable, so that its value must not be judged. */
  readonly isIncomplete: boolean;
  readonly problems: readonly VariableProblem[];
}

interface VariableProblem {
  readonly message: string;
  readonly hint: string | null;
}

/** `$${`, a whole reference, or the beginning of one that never ends. */
const REFERENCE = /\$\$\{|\$\{(?<body>[^}]*)\}|\$\{/g;
const VARIABLE = /^(?<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?<operator>:-|:\?)(?<operand>.*))?$/s;

/** Whether a scalar has anything to expand. */
export const hasReference = (text: string): boolean => text.includes('${');

/** Expands the references of one scalar. Only the source reads anything. */
export function expandVariables(text: string, source: VariableSource): Expansion {
  const problems: VariableProblem[] = [];
  let usesFile = false;
  let isIncomplete = false;
  const expanded = text.replace(REFERENCE, (match: string, body: string | undefined) => {
    if (match === '$${') return '${';
    const result = body === undefined ? UNCLOSED : resolve(body, source);
    usesFile ||= body?.startsWith('file:') === true;
    if (result !== null && 'text' in result) return result.text;
    if (result !== null) problems.push(result);
    isIncomplete = true;
    return '';
  });
  return { text: expanded, usesFile, isIncomplete, problems };
}

const UNCLOSED: VariableProblem = { message: 'has a "${" without its "}"', hint: 'a literal "${" is written "$${"' };

/** A value, the reason why there is none, or `null` for a file that is not read. */
type Resolved = { readonly text: string } | VariableProblem | null;

function resolve(body: string, source: VariableSource): Resolved {
  if (body.startsWith('file:')) return resolveFile(body.slice('file:'.length), source);
  const groups = VARIABLE.exec(body)?.groups;
  const name = groups?.['name'];
  if (groups === undefined || name === undefined) {
    return {
      message: `has "\${${body}}", which is not a reference`,
      hint: 'write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}; a literal "${" is written "$${"',
    };
  }
  const value = source.env[name];
  if (groups['operator'] === ':-')
    return { text: value === undefined || value === '' ? (groups['operand'] ?? '') : value };
  if (groups['operator'] === ':?' && (value === undefined || value === '')) {
    return { message: `needs the environment variable ${name}: ${groups['operand'] || 'it is not set'}`, hint: null };
  }
  if (value !== undefined) return { text: value };
  const similar = nearest(name, Object.keys(source.env));
  return {
    message: `needs the environment variable ${name}, which is not set`,
    hint: similar === null ? `\${${name}:-default} sets a default` : `did you mean "${similar}"?`,
  };
}

function resolveFile(path: string, source: VariableSource): Resolved {
  if (path === '') return { message: 'has "${file:}" without a path', hint: 'write ${file:/path/to/file}' };
  const read = source.readFile(path);
  if (read === null) return null;
  if ('problem' in read) return { message: read.problem, hint: null };
  // Files of one line end with a newline that is not part of the value.
  return { text: read.text.replace(/\r?\n$/, '') };
}
