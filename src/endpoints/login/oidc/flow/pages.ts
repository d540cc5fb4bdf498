/**
 * The parts of pages that are about identity providers: their buttons, and what went wrong there, with a link to
 * continue.
 */

import type { Reason } from '../../../../errors.ts';
import { type Html, html } from '../../../../lib/text/html.ts';
import type { PageText } from '../../../../pages/page.ts';
import type { Words } from '../../../../pages/words/words.ts';
import type { LoginPanel } from '../../pages.ts';

/** A provider, as pages show it. */
interface ShownProvider {
  readonly label: string;
  /** A `data:` URI; `null` without a logo. */
  readonly logo: string | null;
  /** Where a login with it begins. */
  readonly startPath: (returnTo: string, remember: boolean) => string;
}

/** The address of the login page itself. @param remember  whether the user asks to stay logged in */
type RememberPath = (returnTo: string, remember: boolean) => string;

/**
 * Links that begin a login. They are not forms, because the policy of the gateway's pages lets forms lead only to the gateway, redirects
 * included. So a link replaces the checkbox to stay logged in: it leads to the same page, whose links then ask for it.
 *
 * @param rememberPath  `null` where nobody can ask to stay logged in
 */
export const providerPanel =
  (providers: readonly ShownProvider[], rememberPath: RememberPath | null): LoginPanel =>
  ({ returnTo, remember }, { login }) => {
    const links = providers.map(
      ({
        label,
        logo,
        startPath,
      }) => html`<li><a class="button full provider" href="${startPath(returnTo, remember)}">${image(logo)}${login.with(label)}</a></li>
`,
    );
    return html`<ul role="list">
${links}</ul>
${rememberPath === null ? null : rememberLink(remember, rememberPath(returnTo, !remember), login)}`;
  };

const rememberLink = (isOn: boolean, href: string, { remember, remembered, rememberNot }: Words['login']): Html =>
  html`${isOn ? html`<p class="small">${remembered}</p>\n` : null}<ul class="links" role="list">
<li><a href="${href}">${isOn ? rememberNot : remember}</a></li>
</ul>
`;

/** The name is beside it. */
const image = (logo: string | null) => (logo === null ? null : html`<img src="${logo}" alt="" width="24" height="24">`);

/** What a failed login is about. */
interface FailedLogin {
  readonly reason: Reason;
  readonly label: string;
  /** Seconds after which another attempt is worth it; `null` where that is not known. */
  readonly waitSec: number | null;
  /** Where the person can try again. */
  readonly again: string;
  /** Where they can choose another account. */
  readonly other: string;
}

/** Refusals of the account, not of the attempt: only another account helps. */
const ABOUT_ACCOUNT = new Set<Reason>(['login_not_allowed', 'login_attributes_too_large', 'login_groups_missing']);

/** Says why a user is not logged in, with a link to continue to the page that they wanted. */
export const failedLoginPage =
  ({ reason, label, waitSec, again, other }: FailedLogin): PageText =>
  ({ reasons, login, actions }) => {
    const { title, detail } = reasons[reason];
    // A provider that knows only the other account would name it again.
    const href = ABOUT_ACCOUNT.has(reason) || reason === 'step_up_other_account' ? other : again;
    const action = ABOUT_ACCOUNT.has(reason) ? actions.logInAsOther : actions.tryAgain;
    return {
      title,
      body: html`<p>${waitSec === null ? detail : login.tooManyAttempts(waitSec)}</p>
<p>${login.provider}: <strong>${label}</strong></p>
<p><a class="button full" href="${href}">${action}</a></p>`,
    };
  };
