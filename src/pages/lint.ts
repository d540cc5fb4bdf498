/** Rules about pages: whether people can read them. */

import { defineCodes, error } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import { contrastOf, nearestReadable } from './contrast.ts';
import type { PagesConfig } from './section.ts';
import { CARDS } from './style.ts';

/** Codes of the findings about pages. */
export const codes = defineCodes({
  'pages/low-contrast': error(
    'Links in the accent colour could not be read by everybody: their contrast is below 4.5:1 (WCAG 2.2, 1.4.3). The hint has the nearest colour that can.',
  ),
});

const LEAST = 4.5;

/** Applies the rules. */
export function lint({ draft: { pages }, source }: LintContext<{ readonly pages?: PagesConfig | undefined }>): void {
  for (const scheme of ['light', 'dark'] as const) {
    const colour = pages?.accent[scheme];
    if (colour === undefined) continue;
    const card = CARDS[scheme];
    const contrast = contrastOf(colour, card);
    if (contrast >= LEAST) continue;
    // Rounded down: 4.49 must not read as 4.5.
    const shown = Math.floor(contrast * 10) / 10;
    source.report(
      codes['pages/low-contrast'],
      ['pages', 'accent', scheme],
      `pages.accent.${scheme} has a contrast of ${shown}:1 on the ${scheme} page (${card}); text needs ${LEAST}:1`,
      `${nearestReadable(colour, card, LEAST)} is the nearest ${scheme === 'light' ? 'darker' : 'lighter'} colour that has it`,
    );
  }
}
