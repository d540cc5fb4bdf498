/** The pages on which a user allows or refuses a login at a terminal. Their words are chosen against phishing (RFC 8628 §5.4). */

import { type Html, html } from '../../lib/text/html.ts';
import { timeElement } from '../../pages/dates.ts';
import type { PageText } from '../../pages/page.ts';
import type { Words } from '../../pages/words/words.ts';
import { deviceText } from '../sessions/pages.ts';

/** What both consent pages say. */
interface Consent {
  /** Host of the gateway. */
  readonly host: string;
  readonly subject: string;
  readonly scopes: readonly string[];
  /** When the login ends at the latest. */
  readonly expiresAtMs: number;
  /** Where the form goes. */
  readonly action: string;
  /** Hidden fields of the form. */
  readonly fields: Readonly<Record<string, string>>;
}

const strong = (text: string): Html => html`<strong>${text}</strong>`;

/**
 * Asks whether the program on this computer may log in.
 *
 * @param formTarget  origin that the program listens on
 * @param isAgain     whether a decision did not count
 */
export const consentPage =
  (consent: Consent, formTarget: string, isAgain: boolean): PageText =>
  (words) => {
    const { title, asks, allowOnlyIf, decideAgain } = words.commandLine;
    return {
      title,
      problem: isAgain ? decideAgain : null,
      formTarget,
      body: html`<p>${asks(strong(consent.host), strong(consent.subject))}</p>
<p>${allowOnlyIf}</p>
${decisionForm(consent, words)}`,
    };
  };

/** Asks for the code that a terminal shows. */
export const userCodePage =
  (action: string, problemOf: ((words: Words) => string) | null = null): PageText =>
  (words) => {
    const { codeTitle, codeIntro, code, codeWarning } = words.commandLine;
    const problem = problemOf?.(words) ?? null;
    const wrong = problem === null ? null : html` aria-invalid="true" aria-describedby="problem"`;
    return {
      title: codeTitle,
      problem,
      body: html`<p>${codeIntro}</p>
<form method="post" action="${action}">
<label for="user_code">${code}</label>
<input id="user_code" name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false" required autofocus${wrong}>
<button class="full">${words.actions.goOn}</button>
</form>
<p class="small">${codeWarning}</p>`,
    };
  };

/** The terminal that asks. */
interface AskingTerminal {
  readonly shownCode: string;
  readonly device: string;
  readonly askedAtMs: number;
  /** Whether it is in another network than the browser. */
  readonly isElsewhere: boolean;
}

/** Asks whether the terminal with a code may log in. */
export const deviceConsentPage =
  (consent: Consent, { shownCode, device, askedAtMs, isElsewhere }: AskingTerminal): PageText =>
  (words) => {
    const { name, address } = deviceText(device, words);
    const named = address === null ? name : `${name}, ${address}`;
    const { deviceTitle, deviceAsks, deviceIs, elsewhere, refuseIf } = words.commandLine;
    return {
      title: deviceTitle,
      body: html`<p>${deviceAsks(strong(shownCode), strong(consent.host), strong(consent.subject))}</p>
<p>${deviceIs(strong(named), timeElement(askedAtMs, words))}${isElsewhere ? ` ${elsewhere}` : null}</p>
<p>${refuseIf}</p>
${decisionForm(consent, words)}`,
    };
  };

/** Says what was decided. */
export const decidedPage =
  (isAllowed: boolean, basePath: string): PageText =>
  ({ commandLine, actions }) => {
    const { title, detail } = isAllowed ? commandLine.allowed : commandLine.refused;
    return {
      title,
      body: html`<p>${detail}</p>
<ul class="links" role="list">
<li><a href="${basePath}/sessions">${actions.yourSessions}</a></li>
</ul>`,
    };
  };

function decisionForm({ action, fields, scopes, expiresAtMs }: Consent, words: Words): Html {
  const { whatItGets, allow, refuse } = words.commandLine;
  const named = scopes.length === 0 ? null : strong(scopes.join(', '));
  const hidden = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">
`,
  );
  return html`<p>${whatItGets(named, timeElement(expiresAtMs, words))}</p>
<form method="post" action="${action}">
${hidden}<p><button class="full" name="decision" value="allow">${allow}</button></p>
<p><button class="quiet full" name="decision" value="deny">${refuse}</button></p>
</form>`;
}
