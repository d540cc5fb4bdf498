/**
 * words: everything that the gateway's pages say, one file per language. A page takes its words from a {@link Words}, so a
 * language that lacks one does not compile. Names, addresses and times are handed in; nothing here reads a request.
 *
 * What programs get (problem documents, JSON) and what is logged is always English.
 */

import type { Reason } from '../../errors.ts';
import type { Html } from '../../lib/text/html.ts';
import type { LoginMethod } from '../../store/session-record.ts';

/** A heading and what it means, with what to do. */
export interface Notice {
  readonly title: string;
  readonly detail: string;
}

/** The words of one language. Functions put what they are given into a sentence. */
export interface Words {
  /** Language tag (BCP 47): `lang` of the page, and `Content-Language`. */
  readonly tag: string;
  /** Locale in which dates are written, with a region where the language has more than one way. */
  readonly dateLocale: string;
  /** The frame of every page. */
  readonly page: {
    readonly errorTitle: (title: string) => string;
    readonly requestId: string;
  };
  /** Why a request was refused or failed. */
  readonly reasons: Readonly<Record<Reason, Notice>>;
  /** What the pages ask their readers to do. */
  readonly actions: {
    readonly startPage: string;
    readonly tryAgain: string;
    readonly goBack: string;
    readonly goOn: string;
    readonly logIn: string;
    readonly logInAgain: string;
    readonly logInAsOther: string;
    readonly logOut: string;
    readonly yourSessions: string;
  };
  readonly errors: {
    /** The one cause of large headers in a browser. */
    readonly deleteCookies: string;
    readonly sendAgain: string;
  };
  readonly login: {
    readonly title: string;
    readonly userName: string;
    readonly password: string;
    readonly remember: string;
    /** Beside identity providers: it is asked for, and how to take that back. */
    readonly remembered: string;
    readonly rememberNot: string;
    readonly sessionEnded: string;
    /** The button of an identity provider. */
    /** Between two ways to log in. */
    readonly or: string;
    readonly with: (provider: string) => string;
    /** Before the name of the identity provider with which a login failed. */
    readonly provider: string;
    /** The browser did not send the cookie back; `http`: over an address without TLS. */
    readonly lostCookie: { readonly https: string; readonly http: string };
    readonly unavailable: string;
    readonly tooManyAttempts: (waitSec: number) => string;
  };
  readonly loggedIn: {
    readonly title: string;
    readonly as: (subject: Html) => Html;
  };
  readonly logout: {
    readonly title: string;
    readonly everywhere: string;
    readonly stay: string;
  };
  readonly loggedOut: Notice & {
    /** The logout goes on at an identity provider. */
    readonly goesOn: (provider: string) => string;
    readonly atProvider: (provider: string) => string;
  };
  readonly sessions: {
    readonly title: string;
    readonly intro: (subject: Html) => Html;
    readonly thisDevice: string;
    /** A browser on a system, such as Firefox and Linux. */
    readonly browserOn: (browser: string, system: string) => string;
    readonly unknownDevice: string;
    /** What is known of the device where a trusted backend opened the session. */
    readonly openedBy: (backend: string) => string;
    readonly opened: string;
    readonly lastSeen: string;
    readonly from: string;
    readonly loggedInBy: string;
    readonly methods: Readonly<Record<LoginMethod, string>>;
    readonly end: string;
    readonly endOthers: string;
  };
  /** A program at a terminal asks to be let in. */
  readonly commandLine: {
    /** The program on the computer of the browser. */
    readonly title: string;
    readonly asks: (host: Html, subject: Html) => Html;
    readonly allowOnlyIf: string;
    /** A terminal elsewhere, by its code. */
    readonly deviceTitle: string;
    readonly deviceAsks: (code: Html, host: Html, subject: Html) => Html;
    readonly deviceIs: (device: Html, askedAt: Html) => Html;
    readonly elsewhere: string;
    readonly refuseIf: string;
    /** `scopes`: `null` where there are none. */
    readonly whatItGets: (scopes: Html | null, expiresAt: Html) => Html;
    readonly allow: string;
    readonly refuse: string;
    readonly decideAgain: string;
    /** Where the code of a terminal is typed. */
    readonly codeTitle: string;
    readonly codeIntro: string;
    readonly code: string;
    readonly codeWarning: string;
    readonly typeAgain: string;
    readonly allowed: Notice;
    readonly refused: Notice;
  };
  /** The page that says when a session ends. */
  readonly ending: {
    readonly titleSoon: string;
    readonly titleLater: string;
    /** It ends when it is not used. `until`: such as "in 4 minutes". */
    readonly unused: (until: string, at: Html) => Html;
    /** It ends whether or not it is used. */
    readonly anyway: (until: string, at: Html) => Html;
    readonly stay: string;
    readonly logInNow: string;
    /** What the page does by itself, and that it may be told not to. */
    readonly refreshes: string;
    readonly refreshOff: string;
  };
}
