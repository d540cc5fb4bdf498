/** English. The words for reasons are those of problem documents. */

import { REASONS } from '../../errors.ts';
import { html } from '../../lib/html.ts';
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
    logInAsOther: 'Log in as somebody else',
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
    sessionEnded: 'Your session has ended. Log in again to go on.',
    lostCookie: {
      https:
        'You have logged in, but your browser did not keep the cookie that says so. Allow cookies for this site, and log in again.',
      http: 'You have logged in, but your browser did not keep the cookie that says so. Over plain http, Safari keeps no secure cookie. Use another browser, or https.',
    },
    unavailable: 'You are not logged in: logging in does not work right now. Try again shortly.',
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
  loggedOut: { title: 'You are logged out', detail: 'Your session has ended.' },
  sessions: {
    title: 'Your sessions',
    intro: (subject) => html`These devices are logged in as ${subject}. End what you do not recognise.`,
    thisDevice: 'This device',
    browserOn: (browser, system) => `${browser} on ${system}`,
    unknownDevice: 'Unknown program',
    openedBy: (backend) => `Opened by ${backend}`,
    opened: 'Opened',
    lastSeen: 'Last seen',
    from: 'From',
    loggedInBy: 'Logged in by',
    methods: { password: 'password', backend: 'another application', oidc: 'an identity provider' },
    end: 'End session',
    endOthers: 'End all other sessions',
  },
};
