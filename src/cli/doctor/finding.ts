/**
 * doctor: what is wrong with a gateway, why it matters, and what to do. Looks from beside it: at the configuration and its files,
 * at the admin listener, at the store, at issuers and identity providers.
 *
 * Input: a configuration, an admin listener, or both. Output: findings, and on request an archive for a bug report. Nothing is
 * changed; the store is rehearsed as at each start of a gateway. What cannot be looked at becomes a finding, never a
 * failure of the command.
 */

import type { Finding, FindingVerdict } from '../check/finding.ts';

/** One finding. */
export interface DoctorFinding extends Finding {
  /** Why it matters; `null` where nothing is wrong. */
  readonly why: string | null;
  /** What to do; `null` where nothing has to be done. */
  readonly cure: string | null;
}

/** What a check finds: `null` where it has nothing to say. */
export type CheckResult = DoctorFinding | null | readonly CheckResult[];

/** Nothing is wrong. */
export const fine = (about: string, text: string): DoctorFinding => ({
  verdict: 'ok',
  about,
  text,
  why: null,
  cure: null,
});

/** Worth knowing. */
export const remark = (about: string, text: string, cure: string | null = null): DoctorFinding => ({
  verdict: 'note',
  about,
  text,
  why: null,
  cure,
});

/** Something is wrong. `warning`: it works, or it is not certain. `failure`: something does not work. */
export const trouble = (
  verdict: Exclude<FindingVerdict, 'ok' | 'note'>,
  about: string,
  text: string,
  why: string,
  cure: string,
): DoctorFinding => ({ verdict, about, text, why, cure });
