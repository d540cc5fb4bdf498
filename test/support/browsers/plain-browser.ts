/**
 * A simulated browser, for hundreds of logins in a test: it follows redirects, keeps cookies by the rules that a login
 * depends on, sends the headers by which a server distinguishes a navigation from a script, and submits forms. It runs
 * no scripts; a page whose script only submits its form (`response_mode=form_post`) is submitted as that script would.
 */

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CookieJar, siteOf } from './cookie-jar.ts';
import { type Form, formsOf } from './html-forms.ts';

/** What the browser shows after a navigation. */
export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request of a navigation, and its answer. */
export interface Hop {
  readonly method: string;
  readonly url: URL;
  readonly status: number;
  readonly location: string | null;
  readonly setCookies: readonly string[];
}

interface Navigation {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly body: string | null;
  /** The page with the link or form; `null` for a typed address. */
  readonly from: Page | null;
}

export interface BrowserSettings {
  /** Loopback ports that serve origins which do not exist here, such as `https://shop.example.com`. */
  readonly origins?: Readonly<Record<string, number>>;
  /** CA of servers with TLS, PEM. Without it, only `origins` are https. */
  readonly ca?: string;
  readonly nowMs?: () => number;
  /** Headers of every request, such as `Accept-Language`. */
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_HOPS = 20;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export class PlainBrowser {
  readonly cookies: CookieJar;
  /** Every request so far. */
  readonly hops: Hop[] = [];
  readonly #origins: Readonly<Record<string, number>>;
  readonly #ca: string | null;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ origins = {}, ca, nowMs = Date.now, headers = {} }: BrowserSettings = {}) {
    this.cookies = new CookieJar(nowMs);
    this.#origins = origins;
    this.#ca = ca ?? null;
    this.#headers = headers;
  }

  /** Navigates to an address that the user typed, or to a link on a page. Follows redirects. */
  open(url: string | URL, from: Page | null = null): Promise<Page> {
    return this.#navigate({ method: 'GET', url: new URL(url), body: null, from });
  }

  /** Makes one request of a navigation, without following a redirect. */
  step(url: string | URL, from: Page | null = null): Promise<Page> {
    return this.#request({ method: 'GET', url: new URL(url), body: null, from }, true);
  }

  /**
   * Submits the form of a page.
   *
   * @param values  what the user enters, or the pressed button, in place of the form's own values
   * @param which   part of the form's action; the first form of the page by default
   */
  submit(page: Page, values: Readonly<Record<string, string>> = {}, which = ''): Promise<Page> {
    return this.#navigate(submission(page, formWith(page, which), values));
  }

  /** Submits a form as {@link submit} does, without following a redirect. */
  submitOnly(page: Page, values: Readonly<Record<string, string>>, which = ''): Promise<Page> {
    return this.#request(submission(page, formWith(page, which), values), true);
  }

  /** The answer that a script on a page of the same origin gets. Follows no redirect. */
  async fetch(
    url: string | URL,
    headers: Readonly<Record<string, string>> = {},
    method: 'GET' | 'POST' = 'GET',
  ): Promise<Page> {
    const target = new URL(url);
    const cookie = this.cookies.headerFor(target, { method, initiator: target });
    const sent = {
      host: target.host,
      accept: 'application/json',
      'sec-fetch-dest': 'empty',
      'sec-fetch-mode': 'cors',
      'sec-fetch-site': 'same-origin',
      ...(cookie === '' ? {} : { cookie }),
      ...(method === 'POST' ? { origin: target.origin } : {}),
      ...headers,
    };
    const body = method === 'POST' ? '' : null;
    const page = await send(this.#addressOf(target), { method, url: target, headers: sent, body });
    for (const line of page.headers['set-cookie'] ?? []) this.cookies.store(line, target);
    return page;
  }

  async #navigate(first: Navigation): Promise<Page> {
    let navigation = first;
    let isWithinSite = first.from === null || siteOf(first.from.url) === siteOf(first.url);
    for (let count = 0; count < MAX_HOPS; count += 1) {
      const page = await this.#request(navigation, isWithinSite);
      const next = followed(navigation, page) ?? submittedByScript(page);
      if (next === null) return page;
      isWithinSite &&= siteOf(next.url) === siteOf(navigation.url);
      navigation = next;
    }
    throw new Error(`more than ${MAX_HOPS} redirects from ${first.url.href}`);
  }

  async #request(navigation: Navigation, isWithinSite: boolean): Promise<Page> {
    const { method, url, body, from } = navigation;
    const cookie = this.cookies.headerFor(url, { method, initiator: from?.url ?? null });
    const headers = {
      host: url.host,
      accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
      'accept-language': 'en',
      'sec-fetch-dest': 'document',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': fetchSite(from?.url ?? null, url, isWithinSite),
      'user-agent': 'PlainBrowser',
      ...(cookie === '' ? {} : { cookie }),
      ...(body === null ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...(method === 'POST' ? { origin: originOf(from) } : {}),
      ...this.#headers,
    };
    const page = await send(this.#addressOf(url), { method, url, headers, body });
    const setCookies = page.headers['set-cookie'] ?? [];
    for (const line of setCookies) this.cookies.store(line, url);
    this.hops.push({ method, url, status: page.status, location: page.headers.location ?? null, setCookies });
    return page;
  }

  #addressOf(url: URL): Address {
    const port = this.#origins[url.origin];
    if (port !== undefined) return { host: '127.0.0.1', port };
    if (url.protocol === 'https:' && this.#ca !== null)
      return { host: url.hostname, port: Number(url.port || 443), ca: this.#ca };
    if (url.protocol !== 'http:') throw new Error(`nothing serves ${url.origin} in this test`);
    return { host: url.hostname === 'localhost' ? '127.0.0.1' : url.hostname, port: Number(url.port || 80) };
  }
}

interface Address {
  readonly host: string;
  readonly port: number;
  /** For TLS. */
  readonly ca?: string;
}

interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

function send(address: Address, { method, url, headers, body }: Outgoing): Promise<Page> {
  const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const path = `${url.pathname}${url.search}`;
    const request = address.ca === undefined ? httpRequest : httpsRequest;
    const outgoing = request({ ...address, method, path, headers: { ...headers, ...length }, agent: false });
    outgoing.once('error', reject);
    outgoing.once('response', async (incoming) => {
      const parts: Buffer[] = [];
      try {
        for await (const part of incoming) parts.push(part as Buffer);
      } catch (error) {
        reject(error as Error);
        return;
      }
      const answered = { status: incoming.statusCode ?? 0, headers: incoming.headers };
      resolve({ url, ...answered, body: Buffer.concat(parts).toString() });
    });
    outgoing.end(body ?? undefined);
  });
}

/** Where a redirect leads. 303 and, in all browsers, 301 and 302 turn a POST into a GET (Fetch §4.4). */
function followed(navigation: Navigation, { status, headers, url }: Page): Navigation | null {
  if (!REDIRECTS.has(status) || headers.location === undefined) return null;
  const next = new URL(headers.location, url);
  // A fragment survives a redirect without a fragment (Fetch §4.4, step 8).
  if (next.hash === '') next.hash = navigation.url.hash;
  return status === 307 || status === 308
    ? { ...navigation, url: next }
    : { ...navigation, method: 'GET', url: next, body: null };
}

/** The submission by a page's own script, of a form whose fields are all hidden. */
function submittedByScript(page: Page): Navigation | null {
  const isHtml = page.headers['content-type']?.startsWith('text/html') === true;
  if (!isHtml || !/\.submit\(\)/.test(page.body)) return null;
  const [form] = formsOf(page.body);
  return form === undefined ? null : submission(page, form, {});
}

function formWith(page: Page, which: string): Form {
  const form = formsOf(page.body).find(({ action }) => action.includes(which));
  if (form !== undefined) return form;
  throw new Error(`no form ${which} on the page ${page.url.href} (${page.status}): ${page.body.slice(0, 500)}`);
}

function submission(page: Page, form: Form, values: Readonly<Record<string, string>>): Navigation {
  const url = new URL(form.action, page.url);
  const fields = new URLSearchParams({ ...form.fields, ...values });
  if (form.method === 'POST') return { method: 'POST', url, body: fields.toString(), from: page };
  url.search = fields.toString();
  return { method: 'GET', url, body: null, from: page };
}

/** A page with the policy `no-referrer` also hides its origin (Fetch, "append a request Origin header"). */
function originOf(page: Page | null): string {
  if (page === null || page.headers['referrer-policy'] === 'no-referrer') return 'null';
  return page.url.origin;
}

/** `Sec-Fetch-Site` (Fetch Metadata §2.3): the worst hop of a chain of redirects decides. */
function fetchSite(from: URL | null, to: URL, isWithinSite: boolean): string {
  if (from === null) return 'none';
  if (!isWithinSite) return 'cross-site';
  return from.origin === to.origin ? 'same-origin' : 'same-site';
}
