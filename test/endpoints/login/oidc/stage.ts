/** A gateway whose users log in with a real identity provider, and browsers for them. */

import { type Page, PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { type GatewayOptions, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../../../support/gateway.ts';
import { IdentityProvider } from '../../../support/providers/identity-provider.ts';
import type { IdentityProviderOptions } from '../../../support/providers/identity-provider-settings.ts';
import { RecordingUpstream } from '../../../support/recording-upstream.ts';
import { Files, USERS } from '../fixture.ts';

type Written = Record<string, unknown>;

interface StageOptions extends GatewayOptions {
  /** Options of the provider. */
  readonly idp?: IdentityProviderOptions;
  /** Keys of the entry `corporate` of `login.oidc`, which override those of the stage. */
  readonly provider?: Written | ((idp: IdentityProvider) => Written | Promise<Written>);
  /** More entries of `login.oidc`. */
  readonly more?: readonly Record<string, unknown>[];
  readonly login?: Record<string, unknown>;
  /** Whether there is a password form as well. */
  readonly withPasswords?: boolean;
}

export class ProviderStage implements AsyncDisposable {
  readonly idp: IdentityProvider;
  readonly gateway: TestGateway;
  readonly upstream: RecordingUpstream;
  readonly files: Files;
  /** The entry of `login.oidc`. */
  readonly corporate: Written;

  private constructor(parts: Pick<ProviderStage, 'idp' | 'gateway' | 'upstream' | 'files' | 'corporate'>) {
    this.corporate = parts.corporate;
    this.idp = parts.idp;
    this.gateway = parts.gateway;
    this.upstream = parts.upstream;
    this.files = parts.files;
  }

  /** Starts a provider, and a gateway whose users log in there. */
  static async start(options: StageOptions = {}): Promise<ProviderStage> {
    const { idp: idpOptions = {}, provider = {}, more = [], login = {}, withPasswords = false, ...others } = options;
    const files = new Files();
    const [idp, upstream] = await Promise.all([IdentityProvider.start(idpOptions), RecordingUpstream.start()]);
    const corporate = {
      name: 'corporate',
      issuer: idp.issuer,
      clientId: idp.clientId,
      clientSecretFile: await files.write('secret', idp.clientSecret),
      userinfo: true,
      ...(typeof provider === 'function' ? await provider(idp) : provider),
    };
    const passwords = withPasswords && { password: { usersFile: await files.write('users.yaml', USERS) } };
    const gateway = await startGateway({
      upstream: upstream.origin,
      ...others,
      config: { ...others.config, login: { oidc: [corporate, ...more], ...passwords, ...login } },
    });
    return new ProviderStage({ idp, gateway, upstream, files, corporate });
  }

  /** A browser without any cookies. */
  browser(headers: Record<string, string> = {}): PlainBrowser {
    return new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: this.gateway.port }, headers });
  }

  /** Opens a page of the shop and completes the login that it requires. */
  async logIn(browser: PlainBrowser, path = '/', name = 'ada'): Promise<Page> {
    return this.idp.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}${path}`), name);
  }

  /** Logs in at the provider. Returns the callback address, which the browser has not visited yet. */
  async answerOf(browser: PlainBrowser, loginForm: Page, name = 'ada'): Promise<URL> {
    const password = this.idp.people[name]?.password ?? '';
    let page = await browser.submitOnly(loginForm, { username: name, password }, '/log-in');
    for (let hop = 0; hop < 10; hop += 1) {
      const next: URL = new URL(page.headers.location ?? '', page.url);
      if (next.origin === PUBLIC_ORIGIN) return next;
      page = await browser.step(next, page);
    }
    throw new Error('the provider does not send the browser back');
  }

  /** Who is logged in according to `/auth/session`; `null` for nobody. */
  async who(browser: PlainBrowser): Promise<Record<string, unknown> | null> {
    const { status, body } = await browser.step(`${PUBLIC_ORIGIN}/auth/session`);
    return status === 200 ? (JSON.parse(body) as Record<string, unknown>) : null;
  }

  /** The last audit event of a kind. */
  lastEvent(name: string): Record<string, unknown> | undefined {
    return this.gateway.audit.records.findLast((record) => record['event'] === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.idp[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
    await this.files[Symbol.asyncDispose]();
  }
}

export { PUBLIC_ORIGIN };
