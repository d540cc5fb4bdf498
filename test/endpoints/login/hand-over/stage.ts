/** A gateway of three origins that share a login, two of them of one site, and browsers that use them. */

import { type Page, PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import type { GatewayOptions } from '../../../support/gateway.ts';
import { RecordingUpstream } from '../../../support/recording-upstream.ts';
import { LoginStage, PASSWORD } from '../fixture.ts';

/** Where people log in. */
export const LOGIN = 'https://login.example.com';
/** Another origin of the same site, and one of another site. */
export const [SHOP, ADMIN] = ['https://shop.example.com', 'https://admin.example.org'];

export const ORIGINS = [LOGIN, SHOP, ADMIN];

export class OriginsStage implements AsyncDisposable {
  readonly login: LoginStage;
  readonly upstream: RecordingUpstream;

  private constructor(login: LoginStage, upstream: RecordingUpstream) {
    this.login = login;
    this.upstream = upstream;
  }

  static async start({
    config = {},
    login = {},
    ...options
  }: GatewayOptions & { login?: Record<string, unknown> } = {}): Promise<OriginsStage> {
    const upstream = await RecordingUpstream.start();
    const stage = await LoginStage.start({
      upstream: upstream.origin,
      ...options,
      config: { publicOrigin: ORIGINS, ...config },
      login: { origin: LOGIN, ...login },
    });
    return new OriginsStage(stage, upstream);
  }

  /** A browser without any cookies. */
  browser(): PlainBrowser {
    return new PlainBrowser({
      origins: Object.fromEntries(ORIGINS.map((origin) => [origin, this.login.gateway.port])),
    });
  }

  /** Opens a page that needs a login, and logs in with the form that it leads to. */
  async logIn(browser: PlainBrowser, url = `${SHOP}/`, fields: Record<string, string> = {}): Promise<Page> {
    const form = await browser.open(url);
    return browser.submit(form, { username: 'alice', password: PASSWORD, ...fields });
  }

  /**
   * Follows redirects from an address to the end of a hand-over.
   *
   * @returns the address with the code, which the browser has not visited yet
   */
  async codeAddress(browser: PlainBrowser, url: string): Promise<string> {
    let next = url;
    for (let hop = 0; hop < 8; hop += 1) {
      const { headers, status } = await browser.step(next);
      if (headers.location === undefined) throw new Error(`${status} from ${next}`);
      next = new URL(headers.location, next).href;
      if (next.includes('/auth/handed-over?')) return next;
    }
    throw new Error('no hand-over');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.login[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }
}

/** The session cookie that a browser has for an origin; `undefined` for none. */
export const cookieOf = (browser: PlainBrowser, origin: string): string | undefined =>
  browser.cookies.of(new URL(origin).hostname)['__Host-sid'];

/** What `/auth/session` answers to a page of an origin. */
export const sessionStatus = async (browser: PlainBrowser, origin: string): Promise<number> =>
  (await browser.fetch(`${origin}/auth/session`)).status;
