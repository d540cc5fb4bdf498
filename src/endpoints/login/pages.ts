/** The pages for people: their words and their forms. The shell around them is `response/page.ts`. */

import { type Html, html } from '../../lib/html.ts';
import { toTimestamp } from '../../lib/timestamp.ts';
import type { Page } from '../../response/page.ts';
import type { SessionRecord } from '../../store/session-record.ts';

/** What the login page is shown with. */
export interface LoginView {
  readonly returnTo: string;
  /** What was typed in as user name before. */
  readonly username: string;
  /** Whether "Keep me logged in" was ticked before. */
  readonly remember: boolean;
  /** Why the last attempt failed; `null` on the first. */
  readonly problem: string | null;
  /** What the person should know before; `null` when there is nothing. */
  readonly note: string | null;
}

/** One way to log in, as the login page shows it. */
export type LoginPanel = (view: LoginView) => Html;

const NOTHING = html``;

/** The form for user name and password, with a checkbox to stay logged in where the sessions allow it. */
export const passwordPanel =
  (basePath: string, sessions: { readonly canRemember: boolean }): LoginPanel =>
  ({ returnTo, username, remember, problem }) => {
    const isRetry = problem !== null && username !== '';
    // The focus goes to what has to be typed next; from there a screen reader reads the problem, too.
    const wrong = problem === null ? NOTHING : html` aria-invalid="true" aria-describedby="problem"`;
    return html`<form method="post" action="${basePath}/login">
<input type="hidden" name="return_to" value="${returnTo}">
<label for="username">User name</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required${isRetry ? NOTHING : html` autofocus`}${wrong}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${isRetry ? html` autofocus` : NOTHING}${wrong}>
${sessions.canRemember ? html`<label class="check"><input type="checkbox" id="remember" name="remember" value="yes"${remember ? html` checked` : NOTHING}> Keep me logged in on this device</label>` : null}
<button class="full">Log in</button>
</form>`;
  };

/** The login page. */
export function loginPage(title: string, panels: readonly LoginPanel[], view: LoginView): Page {
  return { title, problem: view.problem, note: view.note, body: html`${panels.map((panel) => panel(view))}` };
}

/** What the login page says to a user who is logged in. */
export function alreadyLoggedInPage(basePath: string, subject: string, returnTo: string, switchPath: string): Page {
  return {
    title: 'You are logged in',
    body: html`<p>You are logged in as <strong>${subject}</strong>.</p>
<p><a class="button full" href="${returnTo}">Continue</a></p>
<ul class="links" role="list">
<li><a href="${switchPath}">Log in as somebody else</a></li>
<li><a href="${basePath}/sessions">Your sessions</a></li>
<li><a href="${basePath}/logout">Log out</a></li>
</ul>`,
  };
}

/** Asks before it logs out: a link or an image of another site cannot (CSRF-12). */
export function logoutPage(basePath: string): Page {
  return {
    title: 'Log out?',
    body: html`<form method="post" action="${basePath}/logout"><button class="full">Log out</button></form>
<form method="post" action="${basePath}/logout/all"><button class="quiet full">Log out on all devices</button></form>
<ul class="links" role="list">
<li><a href="/">Stay logged in</a></li>
</ul>`,
  };
}

/** Says that it is done, and offers the way back in. */
export function loggedOutPage(basePath: string): Page {
  return {
    title: 'You are logged out',
    body: html`<p>Your session has ended.</p>
<p><a class="button full" href="${basePath}/login">Log in again</a></p>`,
  };
}

const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });

const time = (timeMs: number) => html`<time datetime="${toTimestamp(timeMs)}">${DATE.format(timeMs)} UTC</time>`;

/** "Your sessions": the present one first, then those that were used last. */
export function sessionsPage(basePath: string, records: readonly SessionRecord[], current: string): Page {
  const own = records.filter((record) => record.handle === current);
  const others = records.filter((record) => record.handle !== current);
  others.sort((a, b) => b.lastSeenAtMs - a.lastSeenAtMs);
  return {
    title: 'Your sessions',
    isWide: true,
    body: html`<p>These devices are logged in as <strong>${own[0]?.subject ?? ''}</strong>. End what you do not recognise.</p>
<ul class="sessions" role="list">
${own.map((record) => sessionItem(basePath, record, true))}
${others.map((record) => sessionItem(basePath, record, false))}
</ul>
${others.length === 0 ? null : html`<form method="post" action="${basePath}/sessions/others"><button class="quiet">End all other sessions</button></form>`}
<ul class="links" role="list">
<li><a href="/">Back to the start page</a></li>
</ul>`,
  };
}

function sessionItem(basePath: string, record: SessionRecord, isCurrent: boolean): Html {
  const id = `device-${record.handle}`;
  const action = isCurrent ? `${basePath}/logout` : `${basePath}/sessions/${record.handle}`;
  return html`<li>
<div>
<p id="${id}"><strong>${record.device}</strong>${isCurrent ? html` <span class="badge">This device</span>` : null}</p>
<p class="small">Opened ${time(record.createdAtMs)}, last seen ${time(record.lastSeenAtMs)}</p>
</div>
<form method="post" action="${action}"><button class="quiet" aria-describedby="${id}">${isCurrent ? 'Log out' : 'End session'}</button></form>
</li>
`;
}
