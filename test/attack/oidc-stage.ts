/**
 * The stage for attacks on logins with an identity provider: a whole gateway, a provider that misbehaves in one way, and a
 * browser. In every row, a refused login leaves no session and one audit record, shows a page with a way to continue, and logs
 * nothing secret.
 */

import { expect, test } from 'vitest';
import { REASONS, type Reason } from '../../src/errors.ts';
import { Files } from '../endpoints/login/fixture.ts';
import { type Page, PlainBrowser } from '../support/browsers/plain-browser.ts';
import { type GatewayOptions, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../support/gateway.ts';
import { HostileProvider } from '../support/providers/hostile-provider.ts';
import { ATTACK_MARKUP } from '../support/providers/misbehaviours/responses.ts';
import type { MisbehaviourName } from '../support/providers/misbehaviours.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

export interface OidcStageOptions extends GatewayOptions {
  readonly misbehaviour?: MisbehaviourName;
  /** Keys of the entry `corporate` of `login.oidc`, over those of the stage. */
  readonly provider?: Readonly<Record<string, unknown>>;
  /** Further entries, at the same provider. */
  readonly more?: readonly Record<string, unknown>[];
  /** `login.throttle`. */
  readonly throttle?: Readonly<Record<string, unknown>>;
}

/** How a login must fail. */
export interface Refusal {
  readonly reason: Reason;
  /** The rule that the audit record names. */
  readonly note?: RegExp | undefined;
}

export const CALLBACK = `${PUBLIC_ORIGIN}/auth/callback/corporate`;
const TARGET = '/orders?page=2';
/** Clients and the gateway share one process: a request that waits does not mean overload. */
const PATIENT = {
  public: { address: '127.0.0.1:0', limits: { maxQueueDelay: '1m' } },
  admin: { address: '127.0.0.1:0' },
};

export class OidcStage implements AsyncDisposable {
  readonly provider: HostileProvider;
  readonly gateway: TestGateway;
  readonly upstream: RecordingUpstream;
  readonly #files: Files;

  private constructor(provider: HostileProvider, gateway: TestGateway, upstream: RecordingUpstream, files: Files) {
    this.provider = provider;
    this.gateway = gateway;
    this.upstream = upstream;
    this.#files = files;
  }

  static async start({
    misbehaviour,
    provider: keys,
    more = [],
    throttle,
    ...options
  }: OidcStageOptions = {}): Promise<OidcStage> {
    const { clocks } = options;
    const files = new Files();
    const [provider, upstream] = await Promise.all([
      HostileProvider.start(clocks === undefined ? {} : { nowMs: clocks.wallMs }),
      RecordingUpstream.start(),
    ]);
    if (misbehaviour !== undefined) provider.misbehave(misbehaviour);
    const entry = {
      issuer: provider.issuer,
      clientId: provider.clientId,
      clientSecretFile: await files.write('secret', provider.clientSecret),
    };
    const oidc = [{ name: 'corporate', ...entry, ...keys }, ...more.map((other) => ({ ...entry, ...other }))];
    const config = {
      listeners: PATIENT,
      ...options.config,
      login: { oidc, ...(throttle !== undefined && { throttle }) },
    };
    const gateway = await startGateway({ upstream: upstream.origin, ...options, config });
    return new OidcStage(provider, gateway, upstream, files);
  }

  /** A browser without history or cookies. */
  browser(): PlainBrowser {
    return new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: this.gateway.port } });
  }

  /** Opens a page that needs a login; the provider knows the user and sends the browser straight back. */
  logIn(browser: PlainBrowser): Promise<Page> {
    return browser.open(`${PUBLIC_ORIGIN}${TARGET}&provider=corporate`);
  }

  /**
   * Begins a login and stops before the answer of the provider is delivered.
   *
   * @returns the address that the provider sends the browser to
   */
  async answer(browser: PlainBrowser, provider = 'corporate', target = TARGET): Promise<URL> {
    const start = `${PUBLIC_ORIGIN}/auth/login?provider=${provider}&return_to=${encodeURIComponent(target)}`;
    let page = await browser.step(start);
    for (let count = 0; count < 5; count += 1) {
      const { location } = page.headers;
      if (location === undefined) throw new Error(`no redirect from ${page.url.href}: ${page.status} ${page.body}`);
      const next = new URL(location, page.url);
      if (next.pathname.startsWith('/auth/callback/')) return next;
      page = await browser.step(next);
    }
    throw new Error('the provider was not reached');
  }

  /** The browser is logged in, and on the page that it asked for. */
  async isLoggedIn(browser: PlainBrowser, page: Page): Promise<void> {
    expect(`${page.status} ${page.url.href}`).toMatch(/^200 .*\/orders\?page=2/);
    const who = await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`);
    expect(who.status).toBe(200);
    expect(JSON.parse(who.body)).toMatchObject({ subject: expect.stringMatching(/^corporate\|/) });
    this.#keepsSecrets();
  }

  /** The browser was refused by this rule, and has no session. */
  async isRefused(browser: PlainBrowser, page: Page, { reason, note }: Refusal): Promise<void> {
    const { status, title } = REASONS[reason];
    const failures = this.#failures();
    expect({ reasons: failures.map((failure) => failure['reason']), status: page.status }).toEqual({
      reasons: [reason],
      status,
    });
    expect(failures[0]).toMatchObject({ method: 'oidc', account: 'corporate' });
    if (note !== undefined) expect(failures[0]?.['note']).toMatch(note);
    expect(page.body).toContain(title);
    expect(page.body).toMatch(/href="\/auth\/login\?/);
    if (status === 503) expect(page.headers['retry-after']).toMatch(/^\d+$/);
    await this.isLoggedOut(browser);
    for (const part of [ATTACK_MARKUP, '<script>alert', '<img src=x']) expect(page.body).not.toContain(part);
    this.#keepsSecrets();
  }

  /** No answer has set a session cookie, and the upstream has seen nothing. */
  async isLoggedOut(browser: PlainBrowser): Promise<void> {
    const set = browser.hops.flatMap(({ setCookies }) => setCookies);
    expect(set.filter((line) => /^__Host-sid=[^;]/.test(line))).toEqual([]);
    expect((await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).status).toBe(401);
    expect(this.upstream.requests).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.provider[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
  }

  #failures(): Record<string, unknown>[] {
    return this.gateway.audit.records.filter((record) => record['event'] === 'login_failed');
  }

  #keepsSecrets(): void {
    const written = this.gateway.log.text + this.gateway.audit.text;
    expect(this.provider.secrets.filter((secret) => written.includes(secret))).toEqual([]);
  }
}

type Row = readonly [id: string, what: MisbehaviourName, reason: Reason, note?: RegExp];

/** Each row is a login that must be refused. */
export function refusals(rows: readonly Row[], options: OidcStageOptions = {}): void {
  const named = rows.map(([id, misbehaviour, reason, note]) => ({ id, misbehaviour, reason, note }));
  test.each(named)('$id: $misbehaviour is refused with $reason', async ({ misbehaviour, reason, note }) => {
    await using stage = await OidcStage.start({ misbehaviour, ...options });
    const browser = stage.browser();
    await stage.isRefused(browser, await stage.logIn(browser), { reason, note });
  });
}

/** Each row is unusual, but valid: the login succeeds. */
export function acceptances(
  rows: readonly (readonly [id: string, what: MisbehaviourName])[],
  options: OidcStageOptions = {},
): void {
  test.each(rows)('%s: %s is accepted', async (_id, misbehaviour) => {
    await using stage = await OidcStage.start({ misbehaviour, ...options });
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
  });
}
