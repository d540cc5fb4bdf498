/** The pages of a hand-over, which people see only if it fails, or if the session cookie is SameSite=Strict. */

import type { Reason } from '../../../errors.ts';
import { html } from '../../../lib/text/html.ts';
import type { PageText } from '../../../pages/page.ts';

/** A page that continues by itself. */
export const goOnPage =
  (href: string): PageText =>
  ({ login, actions }) => ({
    title: login.title,
    body: html`<p><a class="button full" href="${href}">${actions.goOn}</a></p>`,
  });

/** Says why a login was not handed over. @param again  where it begins anew */
export const failedHandOverPage =
  (reason: Reason, again: string): PageText =>
  ({ reasons, actions }) => ({
    title: reasons[reason].title,
    body: html`<p>${reasons[reason].detail}</p>
<p><a class="button full" href="${again}">${actions.tryAgain}</a></p>`,
  });
