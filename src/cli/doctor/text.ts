/** Findings for people. */

import { counted } from '../../lib/text/counted.ts';
import { type FindingVerdict, VERDICT_MARKS } from '../check/finding.ts';
import { withoutControls } from '../io/output.ts';
import type { DoctorFinding } from './finding.ts';

/** One block for each finding, and a last line that sums them up. */
export function doctorText(findings: readonly DoctorFinding[]): string {
  const width = Math.max(...findings.map(({ about }) => about.length));
  const indent = ' '.repeat(9 + width + 2);
  const blocks = findings.map(({ verdict, about, text, why, cure }) =>
    [
      `${VERDICT_MARKS[verdict].padEnd(9)}${about.padEnd(width)}  ${withoutControls(text)}\n`,
      ...(why === null ? [] : [`${indent}Why: ${withoutControls(why)}\n`]),
      ...(cure === null ? [] : [`${indent}Do:  ${withoutControls(cure)}\n`]),
    ].join(''),
  );
  const count = (wanted: FindingVerdict) => findings.filter(({ verdict }) => verdict === wanted).length;
  const [failures, warnings] = [count('failure'), count('warning')];
  const summary =
    failures + warnings === 0
      ? 'Nothing is wrong.'
      : `${counted(failures, 'failure')}, ${counted(warnings, 'warning')}`;
  return `${blocks.join('')}\n${summary}\n`;
}
