/**
 * A real, independent identity provider: `oidc-provider`, on loopback, with people in it. A test can choose every
 * setting that matters to a relying party; {@link IdentityProvider.logIn} takes a person through its pages.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, type JWK } from 'jose';
import type { Provider } from 'oidc-provider';
import { MemoryAdapters } from '../../../demo/provider/memory-adapters.ts';
import { html } from '../../../src/lib/text/html.ts';
import type { Page, PlainBrowser } from '../browsers/plain-browser.ts';
import { ecKeyPair, ed25519KeyPair, type KeyPair, rsaKeyPair } from '../issuers/forger.ts';
import {
  type IdentityProviderOptions,
  openProvider,
  type Person,
  type ProviderCall,
  type ProviderParts,
  type ProviderTls,
} from './identity-provider-settings.ts';

const PASSWORD = 'a password of the provider';

/** Two people, created for each provider, so that a test may change them. */
const people = (): Record<string, Person> => ({
  ada: {
    password: PASSWORD,
    claims: {
      name: 'Ada Lovelace',
      preferred_username: 'ada',
      email: 'ada@example.com',
      email_verified: true,
      groups: ['engineering', 'admins'],
      roles: ['customer', 'admin'],
      realm_access: { roles: ['customer', 'admin'] },
      hd: 'example.com',
    },
  },
  grace: {
    password: PASSWORD,
    claims: {
      name: 'Grace Hopper',
      preferred_username: 'grace',
      email: 'grace@example.org',
      email_verified: false,
      groups: ['navy'],
      roles: ['customer'],
      realm_access: { roles: ['customer'] },
    },
  },
});

export class IdentityProvider implements AsyncDisposable {
  /** People who can log in, by name of the account. */
  readonly people: Record<string, Person>;
  /** Every request that it answered, in order. */
  readonly calls: ProviderCall[] = [];
  readonly clientId = 'shop';
  readonly clientSecret = 'the secret of the shop, as long as it has to be';
  /** For `private_key_jwt`. */
  readonly clientKey: KeyPair = ecKeyPair();
  readonly options: IdentityProviderOptions;
  readonly #server: Server;
  /** The server of the endpoints for clients with a certificate; `null` if there are none. */
  readonly #aliasServer: Server | null;
  readonly #adapters: MemoryAdapters;
  #provider: Provider | null = null;
  #port = 0;

  private constructor(options: IdentityProviderOptions) {
    this.options = options;
    this.people = options.people ?? people();
    this.#adapters = new MemoryAdapters();
    const handle = (request: IncomingMessage, response: ServerResponse) => this.#handle(request, response);
    const { tls } = options;
    this.#aliasServer = tls?.aliases === true ? tlsServer(tls, true, handle) : null;
    this.#server = tls === undefined ? createServer(handle) : tlsServer(tls, !tls.aliases, handle);
  }

  /** Starts a provider. Dispose of it with `await using`. */
  static async start(options: IdentityProviderOptions = {}): Promise<IdentityProvider> {
    const idp = new IdentityProvider(options);
    await Promise.all([idp.#listen(), idp.#aliasServer?.listen(0, '127.0.0.1')]);
    idp.#provider = await openProvider(await idp.#parts());
    await idp.registerClient(options);
    return idp;
  }

  get issuer(): string {
    return `${this.options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  /** How often an endpoint was called. */
  countOf(route: string): number {
    return this.calls.filter((call) => call.route === route).length;
  }

  /** Registers the relying party again, with other settings. */
  async registerClient(options: IdentityProviderOptions): Promise<void> {
    const { redirectUris = ['https://shop.example.com/auth/callback/corporate'], client = {} } = options;
    const method = options.clientAuthentication ?? 'client_secret_basic';
    const hasKey = method === 'private_key_jwt';
    const publicJwk: JWK = {
      ...(await exportJWK(this.clientKey.publicKey)),
      kid: 'client-key',
      alg: 'ES256',
      use: 'sig',
    };
    await this.#adapters.model('Client').upsert(this.clientId, {
      client_id: this.clientId,
      ...(hasKey ? { jwks: { keys: [publicJwk] } } : {}),
      ...(method.startsWith('client_secret') ? { client_secret: this.clientSecret } : {}),
      token_endpoint_auth_method: method,
      redirect_uris: [...redirectUris],
      response_types: ['code'],
      grant_types: [
        'authorization_code',
        ...(options.refreshTokens === 'never' ? [] : ['refresh_token']),
        ...(options.deviceFlow === false ? [] : ['urn:ietf:params:oauth:grant-type:device_code']),
      ],
      id_token_signed_response_alg: options.idTokenAlgorithm ?? 'RS256',
      ...(options.userinfoAlgorithm === undefined ? {} : { userinfo_signed_response_alg: options.userinfoAlgorithm }),
      ...client,
    });
  }

  /**
   * Stops answering, like a provider that is down; {@link resume} continues at the same address with the same sessions.
   */
  async pause(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Answers again after {@link pause}. */
  async resume(): Promise<void> {
    await this.#listen();
  }

  /** Whether this page is one of the provider's. */
  shows(page: Page): boolean {
    return page.url.origin === this.issuer;
  }

  /**
   * Takes a person through the provider's pages, starting at the login form, and back to the relying party.
   *
   * @returns the first page that is not the provider's, or the provider's page that says what went wrong
   */
  async logIn(browser: PlainBrowser, page: Page, name = 'ada', password = PASSWORD): Promise<Page> {
    let shown = page;
    if (shown.body.includes('name="password"')) {
      shown = await browser.submit(shown, { username: name, password }, '/log-in');
    }
    return this.shows(shown) && shown.body.includes('/consent"') ? await browser.submit(shown, {}, '/consent') : shown;
  }

  /** Presses "Cancel" on the login form. */
  async cancel(browser: PlainBrowser, page: Page): Promise<Page> {
    return await browser.submit(page, {}, '/cancel');
  }

  /** Confirms the logout at the provider. */
  async confirmLogout(browser: PlainBrowser, page: Page): Promise<Page> {
    return await browser.submit(page, { logout: 'yes' }, '/session/end');
  }

  /** Enters a user code (RFC 8628 §3.3), logs in if asked, and approves. */
  async approveDevice(browser: PlainBrowser, verificationUri: string, userCode: string): Promise<Page> {
    const form = await browser.open(verificationUri);
    const confirmation = await browser.submit(form, { user_code: userCode });
    const next = await browser.submit(confirmation, { confirm: 'yes', user_code: userCode });
    return await this.logIn(browser, next);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#aliasServer?.closeAllConnections();
    this.#aliasServer?.close();
    if (this.#server.listening) await this.pause();
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #parts(): Promise<ProviderParts> {
    const alias = (this.#aliasServer?.address() ?? null) as AddressInfo | null;
    return {
      issuer: this.issuer,
      options: this.options,
      people: this.people,
      adapters: this.#adapters,
      calls: this.calls,
      keys: await signingKeys(),
      aliasOrigin: alias === null ? null : `https://127.0.0.1:${alias.port}`,
    };
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const provider = this.#provider;
    if (provider === null) response.writeHead(503).end();
    else if (request.url?.startsWith('/interaction/') === true) void this.#interact(provider, request, response);
    else void provider.callback()(request, response);
  }

  /** The pages that people see: those of `oidc-provider` need the internet. */
  async #interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const details = await provider.interactionDetails(request, response);
      const step = request.method === 'POST' ? (request.url?.split('/')[3] ?? '') : '';
      const fields = new URLSearchParams(await bodyOf(request));
      if (step === 'cancel') {
        const result = { error: 'access_denied', error_description: 'The person pressed cancel' };
        return await provider.interactionFinished(request, response, result);
      }
      if (step === 'consent') return await provider.interactionFinished(request, response, { consent: {} });
      const login = step === 'log-in' ? this.#login(fields, details.params) : null;
      if (login !== null) return await provider.interactionFinished(request, response, { login });
      const { uid, prompt } = details;
      send(response, prompt.name === 'consent' ? consentPage(uid) : loginPage(uid, step === 'log-in'));
    } catch (error) {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(String(error));
    }
  }

  #login(fields: URLSearchParams, { acr_values: asked }: Record<string, unknown>) {
    const name = fields.get('username') ?? '';
    const person = this.people[name];
    if (person === undefined || person.isActive === false || person.password !== fields.get('password')) return null;
    const acr = `${asked ?? ''}`.split(' ').find((value) => this.options.acrValues?.includes(value) === true);
    const amr = acr === undefined ? (person.amr ?? ['pwd']) : ['pwd', 'otp'];
    return { accountId: name, amr: [...amr], ...(acr === undefined ? {} : { acr }) };
  }
}

function tlsServer(
  { server: { certificate: cert, key }, clientAuthority: ca }: ProviderTls,
  requestCert: boolean,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  return createTlsServer({ cert, key, ca, requestCert, rejectUnauthorized: false }, handle);
}

/** Created once per process: an RSA key takes longer than a login. */
let madeKeys: Promise<readonly JWK[]> | null = null;

/** One key for each algorithm of the settings. */
function signingKeys(): Promise<readonly JWK[]> {
  madeKeys ??= Promise.all(
    [
      { pair: rsaKeyPair(), kid: 'rsa' },
      { pair: ecKeyPair(), kid: 'ec' },
      { pair: ed25519KeyPair(), kid: 'ed' },
    ].map(async ({ pair, kid }) => ({ ...(await exportJWK(pair.privateKey)), kid, use: 'sig' })),
  );
  return madeKeys;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

const send = (response: ServerResponse, page: string) =>
  void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page);

const loginPage = (uid: string, isSecondTry: boolean): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in at the provider</title></head><body>
<h1>Log in at the provider</h1>${isSecondTry ? html`<p role="alert">Wrong name or password.</p>` : null}
<form method="post" action="/interaction/${uid}/log-in">
<label>Name <input name="username" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Log in</button></form>
<form method="post" action="/interaction/${uid}/cancel"><button>Cancel</button></form>
</body></html>`.text;

const consentPage = (uid: string): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Allow</title></head><body><h1>Allow the shop to know who you are?</h1>
<form method="post" action="/interaction/${uid}/consent"><button>Allow</button></form>
<form method="post" action="/interaction/${uid}/cancel"><button>Cancel</button></form>
</body></html>`.text;
