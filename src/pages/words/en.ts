/** English. The words for reasons are those of problem documents. */

import { REASONS } from '../../errors.ts';
import { html } from '../../lib/text/html.ts';
import type { Words } from './words.ts';

/** The English words. */
export const en: Words = {
  tag: 'en',
  dateLocale: 'en-GB',
  page: {
    errorTitle: (title) => `Error: ${title}`,
    requestId: 'Request id',
  },
  reasons: REASONS,
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
    deleteCookies: "Delete this site's cookies in your browser, then try again.",
    sendAgain: 'What you sent was not processed. Log in, and send it again.',
  },
  login: {
    title: 'Log in',
    userName: 'User name',
    password: 'Password',
    remember: 'Keep me logged in on this device',
    remembered: 'This login will keep you logged in on this device.',
    rememberNot: 'Do not keep me logged in',
    sessionEnded: 'Your session has ended. Log in again to continue.',
    or: 'or',
    with: (provider) => `Log in with ${provider}`,
    provider: 'Identity provider',
    lostCookie: {
      https:
        'You have logged in, but your browser did not keep the session cookie. Allow cookies for this site, and log in again.',
      http: 'You have logged in, but your browser did not keep the session cookie. Safari rejects secure cookies over plain http. Use another browser, or https.',
    },
    unavailable: 'You are not logged in: logins do not work right now. Try again shortly.',
    tooManyAttempts: (waitSec) => `Too many attempts. Try again in ${waitSec} ${waitSec === 1 ? 'second' : 'seconds'}.`,
  },
  loggedIn: {
    title: 'You are logged in',
    as: (subject) => html`You are logged in as ${subject}.`,
  },
  logout: {
    title: 'Log out?',
    everywhere: 'Log out on all devices',
    stay: 'Stay logged in',
  },
  loggedOut: {
    title: 'You are logged out',
    detail: 'Your session has ended.',
    goesOn: (provider) => `Your session here has ended. You may still be logged in at ${provider}.`,
    atProvider: (provider) => `Log out at ${provider}`,
  },
  sessions: {
    title: 'Your sessions',
    intro: (subject) => html`These devices are logged in as ${subject}. End any session that you do not recognise.`,
    thisDevice: 'This device',
    browserOn: (browser, system) => `${browser} on ${system}`,
    unknownDevice: 'Unknown program',
    openedBy: (backend) => `Opened by ${backend}`,
    opened: 'Opened',
    lastSeen: 'Last seen',
    from: 'From',
    loggedInBy: 'Logged in by',
    methods: {
      password: 'password',
      backend: 'another application',
      oidc: 'an identity provider',
      commandLine: 'your consent in a browser',
    },
    end: 'End session',
    endOthers: 'End all other sessions',
  },
  commandLine: {
    title: 'Authorize the command line?',
    asks: (host, subject) =>
      html`The program ${html`<strong>sallyport</strong>`} on this computer wants to use ${host} as ${subject}.`,
    allowOnlyIf: 'Allow this only if you have just started it yourself, in a terminal on this computer.',
    deviceTitle: 'Authorize this terminal?',
    deviceAsks: (code, host, subject) =>
      html`A terminal that shows the code ${code} wants to use ${host} as ${subject}.`,
    deviceIs: (device, askedAt) => html`The request came from ${device} at ${askedAt}.`,
    elsewhere: 'That is not the network that this browser is on.',
    refuseIf:
      'Allow this only if you started it yourself. If someone sent you the code, refuse: it would log them in as you.',
    whatItGets: (scopes, expiresAt) =>
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
    unused: (until, at) => html`Your session ends ${until}, at ${at}, unless you use it before then.`,
    anyway: (until, at) => html`Your session ends ${until}, at ${at}. To continue after that, log in again.`,
    stay: 'Stay logged in',
    logInNow: 'Log in again now',
    refreshes: 'This page updates itself every minute. That does not keep you logged in.',
    refreshOff: 'Do not update this page',
  },
};
