/**
 * Every page that the gateway shows, with made-up content that never changes: for the tests of all pages, and for the
 * screenshots in `docs/images/pages/`.
 */

import type { AdminAnswer } from '../../../src/admin/request.ts';
import {
  consentPage,
  decidedPage,
  deviceConsentPage,
  userCodePage,
} from '../../../src/endpoints/command-line/pages.ts';
import { failedLoginPage, providerPanel } from '../../../src/endpoints/login/oidc/flow/pages.ts';
import {
  alreadyLoggedInPage,
  goOnPage,
  type LoginView,
  loginPage,
  passwordPanel,
  refusalPage,
} from '../../../src/endpoints/login/pages.ts';
import { endingPage, loggedOutPage, logoutPage, sessionsPage } from '../../../src/endpoints/sessions/pages.ts';
import { REASONS, type Reason } from '../../../src/errors.ts';
import type { Exchange } from '../../../src/exchange.ts';
import type { SessionHandle } from '../../../src/jwt/names.ts';
import { type PageSettings, Pages, type PageText } from '../../../src/pages/page.ts';
import type { Language } from '../../../src/pages/words/languages.ts';
import { errorPage } from '../../../src/response/error-page.ts';
import type { LoginMethod, SessionRecord } from '../../../src/store/session-record.ts';
import { ADMIN_PAGES } from './admin-gallery.ts';

const BASE = '/auth';
const NOW_MS = Date.UTC(2027, 0, 15, 8);
const MINUTE = 60_000;
const RETURN_TO = '/orders?page=2';

const svg = (inside: string) =>
  `data:image/svg+xml;base64,${Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 48">${inside}</svg>`).toString('base64')}`;
/** A logo whose own styles follow the colour scheme. */
const LOGO = svg(
  '<style>path{fill:#7a1f5c}@media (prefers-color-scheme:dark){path{fill:#f2a7d8}}</style><path d="M0 48 24 0h8L8 48zm32 0L56 0h8L40 48zm32 0L88 0h8L72 48z"/>',
);

/** The look when an operator has set everything. */
const BRAND = { name: 'Acme', accent: { light: '#7a1f5c', dark: '#f2a7d8' } };

interface GalleryPage {
  readonly page: PageText;
  /** An already written page: those for operators, which are only in English. */
  readonly answer?: AdminAnswer;
  /** Language of the screenshots; tests cover all languages. Default: English. */
  readonly pictured?: Language;
  readonly isBranded?: true;
}

const view: LoginView = { returnTo: RETURN_TO, username: '', remember: false, problem: null, note: null };
const password = passwordPanel({ offersToRemember: true });

function record(
  handle: string,
  method: LoginMethod,
  device: string,
  openedMinutesAgo: number,
  seenMinutesAgo: number,
): SessionRecord {
  return {
    handle: handle as SessionHandle,
    subject: 'alice',
    user: {},
    method,
    version: 1,
    createdAtMs: NOW_MS - openedMinutesAgo * MINUTE,
    expiresAtMs: NOW_MS + 600 * MINUTE,
    lastSeenAtMs: NOW_MS - seenMinutesAgo * MINUTE,
    device,
    remembered: false,
    login:
      method === 'oidc' ? { provider: 'acme', subject: 'u-1', sid: null, authTimeMs: null, acr: null, amr: [] } : null,
  };
}

const RECORDS = [
  record('a', 'password', 'Firefox on Linux, 203.0.113.7', 95, 0),
  record('b', 'oidc', 'Safari on iPhone, 2001:db8:1234:5678:9abc:def0:1234:5678', 3_000, 12),
  record('c', 'backend', 'Opened by till-7', 480, 75),
];

/** The part of an exchange that error pages read. */
function exchangeOf(method: string, subject: string | null): Exchange {
  const screened = {
    method,
    target: { spelling: '/orders', query: '?page=2' },
    fields: { referer: null },
    publicOrigin: null,
  };
  const principal = subject === null ? null : { kind: 'user', subject };
  return { screened, principal, route: null, isOwnEndpoint: true } as unknown as Exchange;
}

const LINKS = { basePath: BASE, maxTargetBytes: 8_192, publicOrigin: 'https://shop.example.com' };
const ending = (minutes: number, isFinal: boolean) =>
  endingPage(BASE, {
    endsAtMs: NOW_MS + minutes * MINUTE,
    remainingMs: minutes * MINUTE,
    isFinal,
    returnTo: RETURN_TO,
    loginPath: `${BASE}/login?return_to=%2Forders%3Fpage%3D2&switch=1`,
    refreshes: true,
  });

const providers = providerPanel(
  ['Acme', 'GitHub'].map((label) => ({
    label,
    logo: label === 'Acme' ? LOGO : null,
    startPath: () => `${BASE}/login?provider=${label.toLowerCase()}&return_to=%2Forders`,
  })),
  (_returnTo, remember) => `${BASE}/login?return_to=%2Forders${remember ? '&remember=1' : ''}`,
);
const failedLogin = (reason: Reason) =>
  failedLoginPage({
    reason,
    label: 'Acme',
    waitSec: null,
    again: `${BASE}/login?provider=acme&return_to=%2Forders`,
    other: `${BASE}/login?provider=acme&return_to=%2Forders&switch=1`,
  });

/** What a program at a terminal asks for. */
const CONSENT = {
  host: 'shop.example.com',
  subject: 'alice',
  scopes: ['orders:read'],
  expiresAtMs: NOW_MS + 600 * MINUTE,
  action: `${BASE}/device`,
  fields: {},
};
const TERMINAL = {
  shownCode: 'WDJB-MJHT',
  device: 'Unknown program, 203.0.113.7',
  askedAtMs: NOW_MS - MINUTE,
  isElsewhere: true,
};

/** The page for a reason. */
const error = (reason: Reason, subject: string | null = null) => errorPage(reason, exchangeOf('GET', subject), LINKS);

const forOperators = (answer: AdminAnswer): GalleryPage => ({
  page: () => {
    throw new Error('written already');
  },
  answer,
});

/** The pages that have screenshots, by name. */
export const GALLERY: Readonly<Record<string, GalleryPage>> = {
  ...Object.fromEntries(Object.entries(ADMIN_PAGES).map(([name, answer]) => [name, forOperators(answer)])),
  login: { page: loginPage(undefined, [password], view) },
  'login-failed': {
    page: loginPage(undefined, [password], {
      ...view,
      username: 'alice',
      problem: ({ reasons }) => reasons.login_failed.detail,
    }),
  },
  'login-after-the-end': {
    page: loginPage(undefined, [password], { ...view, note: ({ login }) => login.sessionEnded }),
  },
  'login-of-a-brand': {
    page: loginPage({ en: 'Welcome to Acme', de: 'Willkommen bei Acme' }, [password], view),
    pictured: 'de',
    isBranded: true,
  },
  'login-with-providers': { page: loginPage(undefined, [password, providers], view) },
  'choose-a-provider': { page: loginPage(undefined, [providers], { ...view, remember: true }) },
  'login-declined': { page: failedLogin('login_declined') },
  'login-not-allowed': { page: failedLogin('login_not_allowed') },
  'login-required': { page: failedLogin('login_interaction_required') },
  'login-clock-skew': { page: failedLogin('login_clock_skew') },
  'login-cookie-missing': { page: failedLogin('login_cookie_missing') },
  'login-expired': { page: failedLogin('login_expired') },
  'provider-unavailable': { page: failedLogin('provider_unavailable') },
  'logged-in': { page: alreadyLoggedInPage(BASE, 'alice', RETURN_TO, `${BASE}/login?switch=1`) },
  'log-out': { page: logoutPage(BASE) },
  'logged-out': { page: loggedOutPage(BASE) },
  sessions: { page: sessionsPage(BASE, RECORDS, 'a', new Map([['acme', 'Acme']])) },
  'session-ending': { page: ending(4, false) },
  'session-too-old': { page: ending(4, true) },
  'terminal-code': { page: userCodePage(`${BASE}/device`) },
  'terminal-consent': { page: deviceConsentPage(CONSENT, TERMINAL) },
  'terminal-allowed': { page: decidedPage(true, BASE) },
  'command-line-consent': { page: consentPage(CONSENT, 'http://127.0.0.1:49152', false) },
  'not-allowed': { page: error('route_forbidden', 'alice') },
  unavailable: { page: error('store_unavailable') },
};

/** A page for each reason, by the reason, and rarely seen pages: too many and too similar for screenshots. */
export const REASON_PAGES: Readonly<Record<string, GalleryPage>> = {
  ...Object.fromEntries((Object.keys(REASONS) as Reason[]).map((reason) => [reason, { page: error(reason, 'alice') }])),
  'hand-over-goes-on': { page: goOnPage(`${BASE}/hand-over`, 'login') },
  'hand-over-failed': { page: refusalPage('login_expired', `${BASE}/login?return_to=%2Forders`, 'tryAgain') },
};

/** The pages of the gallery in a language. */
export const galleryIn = (language: Language): Readonly<Record<string, GalleryPage>> =>
  Object.fromEntries(Object.entries(GALLERY).filter(([, { answer }]) => answer === undefined || language === 'en'));

/** A page as the gateway sends it, with an id and a time that never change. */
export function written(
  { page, answer, isBranded }: GalleryPage,
  language: Language,
): { text: string; headers: readonly string[] } {
  if (answer !== undefined) return { text: String(answer.body), headers: answer.headers ?? [] };
  const settings: PageSettings = { languages: [language], ...(isBranded ? BRAND : { accent: {} }) };
  const stamp = { requestId: '4bf92f3577b34da6a3ce929d0e0e4736', atMs: NOW_MS };
  return new Pages(settings, isBranded ? LOGO : null).write(page, null, stamp);
}
