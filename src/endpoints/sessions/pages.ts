/** What people see of their sessions: all of them, and the way out. */

import { type Html, html } from '../../lib/text/html.ts';
import { timeElement, untilText } from '../../pages/dates.ts';
import type { PageText } from '../../pages/page.ts';
import type { Words } from '../../pages/words/words.ts';
import type { SessionRecord } from '../../store/session-record.ts';
import { readDevice } from '../device.ts';

/** Asks before it logs out: a link or an image of another site cannot (CSRF-12). */
export const logoutPage =
  (basePath: string): PageText =>
  ({ logout, actions }) => ({
    title: logout.title,
    body: html`<form method="post" action="${basePath}/logout"><button class="full">${actions.logOut}</button></form>
<form method="post" action="${basePath}/logout/all"><button class="quiet full">${logout.everywhere}</button></form>
<ul class="links" role="list">
<li><a href="/">${logout.stay}</a></li>
</ul>`,
  });

/** Says that it is done, and offers the way back in. */
export const loggedOutPage =
  (basePath: string): PageText =>
  ({ loggedOut, actions }) => ({
    title: loggedOut.title,
    body: html`<p>${loggedOut.detail}</p>
<p><a class="button full" href="${basePath}/login">${actions.logInAgain}</a></p>`,
  });

/** A session that ends. */
interface EndingView {
  readonly endsAtMs: number;
  readonly remainingMs: number;
  /** Whether it ends even if it is used. */
  readonly isFinal: boolean;
  readonly returnTo: string;
  /** Where a new session can be opened before this one ends. */
  readonly loginPath: string;
  readonly refreshes: boolean;
}

/** From here on the page says that the end is near. */
const SOON_MS = 300_000;

/** Says when the session ends, with one way to continue: stay, or log in again where staying does not help. */
export const endingPage =
  (basePath: string, { endsAtMs, remainingMs, isFinal, returnTo, loginPath, refreshes }: EndingView): PageText =>
  (words) => {
    const { ending, actions } = words;
    const here = `${basePath}/session/ending?return_to=${encodeURIComponent(returnTo)}`;
    const when = [untilText(remainingMs, words), timeElement(endsAtMs, words)] as const;
    return {
      title: remainingMs <= SOON_MS ? ending.titleSoon : ending.titleLater,
      body: html`<p>${isFinal ? ending.anyway(...when) : ending.unused(...when)}</p>
${
  isFinal
    ? html`<p><a class="button full" href="${loginPath}">${ending.logInNow}</a></p>`
    : html`<form method="post" action="${here}"><button class="full">${ending.stay}</button></form>`
}
<form method="post" action="${basePath}/logout"><button class="quiet full">${actions.logOut}</button></form>
${
  refreshes
    ? html`<p class="small">${ending.refreshes}</p>
<ul class="links" role="list">
<li><a href="${here}&amp;refresh=no">${ending.refreshOff}</a></li>
</ul>`
    : null
}`,
    };
  };

/** Says that the session here has ended, with a link to the provider, which has a session of its own. */
export const loggedOutHerePage =
  ({ label, url }: { readonly label: string; readonly url: string }): PageText =>
  ({ loggedOut }) => ({
    title: loggedOut.title,
    body: html`<p>${loggedOut.goesOn(label)}</p>
<p><a class="button full" href="${url}">${loggedOut.atProvider(label)}</a></p>`,
  });

/**
 * "Your sessions": the present one first, then those that were used last.
 *
 * @param providers  the labels of the identity providers, by name
 */
export const sessionsPage =
  (
    basePath: string,
    records: readonly SessionRecord[],
    current: string,
    providers: ReadonlyMap<string, string>,
  ): PageText =>
  (words) => {
    const { sessions, actions } = words;
    const own = records.filter((record) => record.handle === current);
    const others = records.filter((record) => record.handle !== current);
    others.sort((a, b) => b.lastSeenAtMs - a.lastSeenAtMs);
    return {
      title: sessions.title,
      isWide: true,
      body: html`<p>${sessions.intro(html`<strong>${own[0]?.subject ?? ''}</strong>`)}</p>
<ul class="sessions" role="list">
${own.map((record) => sessionItem(basePath, record, true, words, providers))}
${others.map((record) => sessionItem(basePath, record, false, words, providers))}
</ul>
${others.length === 0 ? null : html`<form method="post" action="${basePath}/sessions/others"><button class="quiet">${sessions.endOthers}</button></form>`}
<ul class="links" role="list">
<li><a href="/">${actions.startPage}</a></li>
</ul>`,
    };
  };

function sessionItem(
  basePath: string,
  record: SessionRecord,
  isCurrent: boolean,
  words: Words,
  providers: ReadonlyMap<string, string>,
): Html {
  const { sessions, actions } = words;
  const id = `device-${record.handle}`;
  const action = isCurrent ? `${basePath}/logout` : `${basePath}/sessions/${record.handle}`;
  const { name, address } = deviceText(record.device, words);
  const facts = [
    [sessions.opened, timeElement(record.createdAtMs, words)],
    [sessions.lastSeen, timeElement(record.lastSeenAtMs, words)],
    ...(address === null ? [] : [[sessions.from, html`${address}`] as const]),
    [sessions.loggedInBy, html`${providers.get(record.login?.provider ?? '') ?? sessions.methods[record.method]}`],
  ] as const;
  return html`<li>
<div>
<p id="${id}"><strong>${name}</strong>${isCurrent ? html` <span class="badge">${sessions.thisDevice}</span>` : null}</p>
<dl class="small">${facts.map(([term, fact]) => html`<div><dt>${term}</dt> <dd>${fact}</dd></div>`)}</dl>
</div>
<form method="post" action="${action}"><button class="quiet" aria-describedby="${id}">${isCurrent ? actions.logOut : sessions.end}</button></form>
</li>
`;
}

/** How a person recognises a session, in their language, and its address at login, where the gateway saw the login. */
export function deviceText(device: string, { sessions }: Words): { name: string; address: string | null } {
  const read = readDevice(device);
  if (read === null) return { name: device, address: null };
  if ('backend' in read) return { name: sessions.openedBy(read.backend), address: null };
  const { browser, system, address } = read;
  if (browser === null) return { name: sessions.unknownDevice, address };
  return { name: system === null ? browser : sessions.browserOn(browser, system), address };
}
