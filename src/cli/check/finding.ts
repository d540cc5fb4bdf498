/**
 * check: what `sallyport check` asks other servers, to find settings that will not work before a user does.
 *
 * Input: a part of the configuration. Output: findings, in the order in which they were made. Nothing is changed.
 * Text from servers is untrusted: it is shown as printable ASCII, and truncated.
 */

/** `ok`: works. `note`: worth knowing. `warning`: uncertain, or probably not intended. `failure`: will not work. */
export type FindingVerdict = 'ok' | 'note' | 'warning' | 'failure';

/** How reports mark each. */
export const VERDICT_MARKS: Readonly<Record<FindingVerdict, string>> = {
  ok: 'ok',
  note: '-',
  warning: 'warning',
  failure: 'FAILS',
};

/** One line of a report. */
export interface Finding {
  readonly verdict: FindingVerdict;
  /** What it is about, in one or two words. */
  readonly about: string;
  readonly text: string;
}

type MakeFinding = (about: string, text: string) => Finding;
const maker =
  (verdict: FindingVerdict): MakeFinding =>
  (about, text) => ({ verdict, about, text });

/** Something works. */
export const ok = maker('ok');
/** Something is worth knowing. */
export const note = maker('note');
/** Something is uncertain, or probably not intended. */
export const warn = maker('warning');
/** Something will not work. */
export const failure = maker('failure');

/** What a server says, fit for a terminal. @param maxLength  in characters */
export const printable = (text: string, maxLength = 200): string =>
  text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxLength);

/** The strings of a list; `null` for anything but a list of strings. */
export const textsOf = (list: unknown): readonly string[] | null =>
  Array.isArray(list) && list.every((entry) => typeof entry === 'string') ? list : null;

/** Entries of a list from a server, for a terminal. */
export const listed = (entries: readonly string[]): string =>
  entries.length === 0 ? 'none' : printable(entries.join(', '));
