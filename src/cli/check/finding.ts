/**
 * check: what `sallyport check` asks other servers, to say which settings will not work before anybody notices.
 *
 * Input: a part of the configuration. Output: findings, in the order in which they were made. Nothing is changed anywhere.
 * What a server says is untrusted: it is shown as printable ASCII, and cut off.
 */

/** `ok`: works. `note`: worth knowing. `warning`: probably not what is meant, or not certain. `failure`: will not work. */
export type FindingVerdict = 'ok' | 'note' | 'warning' | 'failure';

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
/** Something is probably not what is meant, or not certain. */
export const warn = maker('warning');
/** Something will not work. */
export const failure = maker('failure');

/** What a server says, fit for a terminal. @param maxLength  in characters */
export const printable = (text: string, maxLength = 200): string =>
  text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxLength);

/** The strings of a list; `null` for anything but a list of strings. */
export const textsOf = (list: unknown): readonly string[] | null =>
  Array.isArray(list) && list.every((entry) => typeof entry === 'string') ? list : null;

/** Entries of a list as a server has them, for a terminal. */
export const listed = (entries: readonly string[]): string =>
  entries.length === 0 ? 'none' : printable(entries.join(', '));
