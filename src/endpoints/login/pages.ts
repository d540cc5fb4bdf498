/** The login page: its ways to log in, and what it says to those who are logged in. */

import type { Reason } from '../../errors.ts';
import { type Html, html } from '../../lib/text/html.ts';
import type { PageText } from '../../pages/page.ts';
import { type ConfiguredText, textFor } from '../../pages/section.ts';
import type { Words } from '../../pages/words/words.ts';

/** What the login page is shown with. */
export interface LoginView {
  readonly returnTo: string;
  /** What was typed in as user name before. */
  readonly username: string;
  /** Whether "Keep me logged in" was ticked before. */
  readonly remember: boolean;
  /** Why the last attempt failed; `null` on the first. */
  readonly problem: Sentence | null;
  /** What the person should know before; `null` when there is nothing. */
  readonly note: Sentence | null;
}

/** A sentence in whatever language its reader gets. */
export type Sentence = (words: Words) => string;

/** One way to log in, as the login page shows it. */
export type LoginPanel = (view: LoginView, words: Words) => Html;

const NOTHING = html``;

/**
 * The form for user name and password, with a checkbox to stay logged in where the sessions allow it. Without an action, a form
 * goes to the address of its page, with the fragment that a deep link has left there (HTML §4.10.21.3), which then survives the
 * redirect that answers it.
 */
export const passwordPanel =
  (sessions: { readonly offersToRemember: boolean }): LoginPanel =>
  ({ returnTo, username, remember, problem }, { login, actions }) => {
    const isRetry = problem !== null && username !== '';
    // The focus goes to what has to be typed next; from there a screen reader reads the problem, too.
    const wrong = problem === null ? NOTHING : html` aria-invalid="true" aria-describedby="problem"`;
    return html`<form method="post">
<input type="hidden" name="return_to" value="${returnTo}">
<label for="username">${login.userName}</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required${isRetry ? NOTHING : html` autofocus`}${wrong}>
<label for="password">${login.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${isRetry ? html` autofocus` : NOTHING}${wrong}>
${sessions.offersToRemember ? html`<label class="check"><input type="checkbox" id="remember" name="remember" value="yes"${remember ? html` checked` : NOTHING}> ${login.remember}</label>` : null}
<button class="full">${actions.logIn}</button>
</form>`;
  };

/**
 * The login page.
 *
 * @param title       in languages where there is none, it is that of the language
 * @param formTarget  another origin that the login leads to. Default: none
 */
export const loginPage =
  (
    title: ConfiguredText | undefined,
    panels: readonly LoginPanel[],
    view: LoginView,
    formTarget: string | null = null,
  ): PageText =>
  (words) => ({
    formTarget,
    title: textFor(title, words) ?? words.login.title,
    problem: view.problem?.(words) ?? null,
    note: view.note?.(words) ?? null,
    body: html`${panels.map(
      (panel, index) =>
        html`${
          index === 0
            ? null
            : html`<p class="or">${words.login.or}</p>
`
        }${panel(view, words)}`,
    )}`,
  });

/** What the login page says to a user who is logged in. */
export const alreadyLoggedInPage =
  (basePath: string, subject: string, returnTo: string, switchPath: string): PageText =>
  ({ loggedIn, actions }) => ({
    title: loggedIn.title,
    body: html`<p>${loggedIn.as(html`<strong>${subject}</strong>`)}</p>
<p><a class="button full" href="${returnTo}">${actions.goOn}</a></p>
<ul class="links" role="list">
<li><a href="${switchPath}">${actions.logInAsOther}</a></li>
<li><a href="${basePath}/sessions">${actions.yourSessions}</a></li>
<li><a href="${basePath}/logout">${actions.logOut}</a></li>
</ul>`,
  });

/** A page that continues by itself, with `Refresh`, where a redirect would leave a SameSite=Strict cookie behind. */
export const goOnPage =
  (href: string, step: 'login' | 'loggedIn'): PageText =>
  ({ [step]: { title }, actions }) => ({
    title,
    body: html`<p><a class="button full" href="${href}">${actions.goOn}</a></p>`,
  });

/** Says why there was no login, with a link to try again. @param href  where another login begins */
export const refusalPage =
  (reason: Reason, href: string, action: 'tryAgain' | 'logInAgain'): PageText =>
  ({ reasons, actions }) => ({
    title: reasons[reason].title,
    body: html`<p>${reasons[reason].detail}</p>
<p><a class="button full" href="${href}">${actions[action]}</a></p>`,
  });
