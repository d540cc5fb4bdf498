/**
 * The key `credential` of a route: its schema and the rule that it compiles to. Both are put together from the kinds, so
 * that a new kind needs no line here. Other code asks the rule and never reads the written form.
 */

import { z } from 'zod';
import type { NonEmpty } from '../lib/non-empty.ts';
import type { CredentialKind } from './kind.ts';
import { type AcceptedCredential, type CredentialRule, KINDS } from './kinds.ts';

/** `credential` as it is written: `none`, one form of a kind, or a list of several kinds. */
export type WrittenCredential = 'none' | WrittenEntry | readonly [WrittenEntry, WrittenEntry, ...WrittenEntry[]];
type WrittenEntry = string | Readonly<Record<string, string | readonly string[]>>;

/** No credential is required, and none is read. */
export const PUBLIC: CredentialRule = Object.freeze<CredentialRule>({ kind: 'public', accepts: [] });

const WRITABLE = Object.values(KINDS).flatMap((kind: CredentialKind) =>
  kind.written === null ? [] : [{ kind, forms: kind.written.forms }],
);
type Writable = (typeof WRITABLE)[number];

/** The schema of `credential`. */
export function credential(): z.ZodType<WrittenCredential> {
  const alone = WRITABLE.flatMap(({ forms }) => [...forms]);
  const lists = listsOf(WRITABLE);
  const texts = ['none', ...alone.map(({ text }) => text), ...lists.map(listText)];
  const forms = [
    z.literal('none').meta({ description: 'Public.' }),
    ...alone.map(({ schema, description }) => (description === null ? schema() : schema().meta({ description }))),
    ...lists.map(listSchema),
  ];
  return z.union(forms, {
    error: ({ input }) =>
      input === undefined
        ? 'is required: write `credential: none` if this route is meant to be public'
        : `must be ${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`,
  }) as z.ZodType as z.ZodType<WrittenCredential>;
}

/**
 * Compiles a valid `credential`.
 *
 * @throws TypeError when no kind knows what is written, which the schema excludes: a rule is never guessed
 */
export function compileCredential(written: WrittenCredential): CredentialRule {
  if (written === 'none') return PUBLIC;
  const entries: readonly unknown[] = Array.isArray(written) ? written : [written];
  const [first, ...others] = entries.map(readEntry);
  if (first === undefined) throw new TypeError('credential is an empty list');
  return Object.freeze({
    kind: first.isOptional && others.length === 0 ? 'optional' : 'required',
    accepts: [first.accepted, ...others.map(({ accepted }) => accepted)] as const,
  });
}

/** Whether requests need no credential. */
export const isPublic = (written: WrittenCredential): boolean => compileCredential(written).kind === 'public';

/** Whether the predicate holds for one of the accepted kinds. */
export const acceptsKind = (written: WrittenCredential, isSuch: (kind: CredentialKind) => boolean): boolean =>
  compileCredential(written).accepts.some(({ kind }) => isSuch(kind));

/** What a rule asks for, for people. */
export function describeCredential({ kind, accepts }: CredentialRule): string {
  if (kind === 'public') return 'none (public)';
  const words = accepts.map((accepted) => accepted.words).join(', or ');
  return kind === 'optional' ? `${words}, optional` : words;
}

function readEntry(entry: unknown): { readonly accepted: AcceptedCredential; readonly isOptional: boolean } {
  for (const { written } of Object.values(KINDS)) {
    const read = written?.read(entry) ?? null;
    if (read !== null) return read;
  }
  throw new TypeError('no kind of credential is written like this');
}

/** Every choice of two or more, in their order. */
function listsOf(kinds: readonly Writable[]): readonly NonEmpty<Writable>[] {
  const [first, ...others] = kinds;
  if (first === undefined) return [];
  const rest = listsOf(others);
  const pairs = others.map((other): NonEmpty<Writable> => [first, other]);
  return [...pairs, ...rest.map((list): NonEmpty<Writable> => [first, ...list]), ...rest];
}

const listText = (kinds: NonEmpty<Writable>) => `[${kinds.map(({ forms }) => forms[0].text).join(', ')}]`;

function listSchema(kinds: NonEmpty<Writable>): z.ZodType {
  const [first, ...others] = kinds.map(({ forms }) => forms[0].schema());
  const nouns = kinds.map(({ kind }) => kind.noun).join(' or ');
  return z
    .tuple([first as z.ZodType, ...others])
    .meta({ description: `Either ${nouns}; ${kinds.length === 2 ? 'both' : 'two'} together are refused.` });
}
