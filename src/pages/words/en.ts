/** English, which says which words there are: those of other languages have the same form. */

import { REASONS, type Reason } from '../../errors.ts';
import { type Html, html } from '../../lib/text/html.ts';
import type { LoginMethod } from '../../store/session-record.ts';

/** A heading and what it means, with what to do: those of problem documents. */
const reasons: Readonly<Record<Reason, { readonly title: string; readonly detail: string }>> = REASONS;

/** The English words. Functions put what they are given into a sentence. */
export const en = {
  /** Language tag (BCP 47): `lang` of the page, and `Content-Language`. */
  tag: 'en',
  /** Locale in which dates are written, with a region where the language has more than one way. */
  dateLocale: 'en-GB',
  page: {
    errorTitle: (title: string) => `Error: ${title}`,
    requestId: 'Request id',
  },
  reasons,
  actions: {
    startPage: 'Go to the start page',
    tryAgain: 'Try again',
    goBack: 'Go back',
    goOn: 'Continue',
    logIn: 'Log in',
    logInAgain: 'Log in again',
    logInAsOther: 'Log in as someone else',
    logOut: 'Log out',
    yourSessions: 'Your sessions',
  },
  errors: {
    /** The one cause of large headers in a browser. */
    deleteCookies: "Delete this site's cookies in your browser, then try again.",
    sendAgain: 'What you sent was not processed. Log in, and send it again.',
  },
  login: {
    title: 'Log in',
    userName: 'User name',
    password: 'Password',
    remember: 'Keep me logged in on this device',
    /** Beside identity providers: it is asked for, and how to take that back. */
    remembered: 'This login will keep you logged in on this device.',
    rememberNot: 'Do not keep me logged in',
    sessionEnded: 'Your session has ended. Log in again to continue.',
    /** Between two ways to log in. */
    or: 'or',
    with: (provider: string) => `Log in with ${provider}`,
    /** Before the name of the identity provider with which a login failed. */
    provider: 'Identity provider',
    /** `http`: over an address without TLS. */
    lostCookie: {
      https:
        'You have logged in, but your browser did not keep the session cookie. Allow cookies for this site, and log in again.',
      http: 'You have logged in, but your browser did not keep the session cookie. Safari rejects secure cookies over plain http. Use another browser, or https.',
    },
    unavailable: 'You are not logged in: logins do not work right now. Try again shortly.',
    tooManyAttempts: (waitSec: number) =>
      `Too many attempts. Try again in ${waitSec} ${waitSec === 1 ? 'second' : 'seconds'}.`,
  },
  loggedIn: {
    title: 'You are logged in',
    as: (subject: Html) => html`You are logged in as ${subject}.`,
  },
  logout: {
    title: 'Log out?',
    everywhere: 'Log out on all devices',
    stay: 'Stay logged in',
  },
  loggedOut: {
    title: 'You are logged out',
    detail: 'Your session has ended.',
    /** The logout continues at an identity provider. */
    goesOn: (provider: string) => `Your session here has ended. You may still be logged in at ${provider}.`,
    atProvider: (provider: string) => `Log out at ${provider}`,
  },
  sessions: {
    title: 'Your sessions',
    intro: (subject: Html) =>
      html`These devices are logged in as ${subject}. End any session that you do not recognise.`,
    thisDevice: 'This device',
    browserOn: (browser: string, system: string) => `${browser} on ${system}`,
    unknownDevice: 'Unknown program',
    /** Where a trusted backend opened the session, and nothing else is known of the device. */
    openedBy: (backend: string) => `Opened by ${backend}`,
    opened: 'Opened',
    lastSeen: 'Last seen',
    from: 'From',
    loggedInBy: 'Logged in by',
    methods: {
      password: 'password',
      backend: 'another application',
      oidc: 'an identity provider',
      commandLine: 'your consent in a browser',
    } satisfies Readonly<Record<LoginMethod, string>>,
    end: 'End session',
    endOthers: 'End all other sessions',
  },
  commandLine: {
    /** The program on the computer of the browser. */
    title: 'Authorize the command line?',
    asks: (host: Html, subject: Html) =>
      html`The program ${html`<strong>sallyport</strong>`} on this computer wants to use ${host} as ${subject}.`,
    allowOnlyIf: 'Allow this only if you have just started it yourself, in a terminal on this computer.',
    /** A terminal elsewhere, by its code. */
    deviceTitle: 'Authorize this terminal?',
    deviceAsks: (code: Html, host: Html, subject: Html) =>
      html`A terminal that shows the code ${code} wants to use ${host} as ${subject}.`,
    deviceIs: (device: Html, askedAt: Html) => html`The request came from ${device} at ${askedAt}.`,
    elsewhere: 'That is not the network that this browser is on.',
    refuseIf:
      'Allow this only if you started it yourself. If someone sent you the code, refuse: it would log them in as you.',
    whatItGets: (scopes: Html | null, expiresAt: Html) =>
      html`It could do what you can do here${scopes === null ? null : html`, with the scopes ${scopes}`}, until ${expiresAt} at the latest, or until you end it under “Your sessions”.`,
    allow: 'Allow',
    refuse: 'Refuse',
    decideAgain: 'You have logged in again since this page was shown. Read it, and decide again.',
    codeTitle: 'Log in a terminal',
    codeIntro: 'Type the code that your terminal shows.',
    code: 'Code',
    codeWarning: 'Never type a code that someone sent you: it would log them in as you.',
    typeAgain: 'You have logged in again meanwhile. Type the code again.',
    allowed: { title: 'The terminal is logged in', detail: 'Go back to it. You can close this page.' },
    refused: { title: 'The terminal was refused', detail: 'It received nothing. You can close this page.' },
  },
  ending: {
    titleSoon: 'Your session is about to end',
    titleLater: 'Your session',
    /** `until`: such as "in 4 minutes". */
    unused: (until: string, at: Html) => html`Your session ends ${until}, at ${at}, unless you use it before then.`,
    anyway: (until: string, at: Html) =>
      html`Your session ends ${until}, at ${at}. To continue after that, log in again.`,
    stay: 'Stay logged in',
    logInNow: 'Log in again now',
    refreshes: 'This page updates itself every minute. That does not keep you logged in.',
    refreshOff: 'Do not update this page',
  },
};
