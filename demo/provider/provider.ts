/**
 * The demo's identity provider: `oidc-provider` on the loopback, with two people in it. In your own set-up this is Entra ID,
 * Okta, Google, Keycloak or what your company has. Here nobody needs a password: a click says who you are.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import type { Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { loadOidcProvider } from './load.ts';
import { MemoryAdapters } from './memory-adapters.ts';
import { failurePage, logoutPage, type Person, peoplePage } from './pages.ts';

/** Who can log in, by `sub`. */
const PEOPLE: Readonly<Record<string, Person>> = {
  ada: {
    name: 'Ada Lovelace',
    email: 'ada@shop.example.com',
    roles: ['customer'],
    about: 'a customer: she may see orders',
  },
  grace: {
    name: 'Grace Hopper',
    email: 'grace@shop.example.com',
    roles: [],
    about: 'no customer: the gateway refuses her the orders',
  },
};

const CLIENT_ID = 'sallyport-demo';

export class DemoProvider {
  readonly #server: Server;
  readonly #redirectUri: string;
  readonly #loaded = Promise.withResolvers<Provider>();

  private constructor(redirectUri: string) {
    this.#redirectUri = redirectUri;
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  /**
   * Listens on a free port of the loopback. Requests wait until {@link load} has been called, so that the library, which takes
   * longer to load than the gateway to start, does not hold the gateway up.
   */
  static async listen(redirectUri: string): Promise<DemoProvider> {
    const provider = new DemoProvider(redirectUri);
    await new Promise<void>((resolve) => provider.#server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  /** By another name than that of the gateway, `localhost`: ports do not keep cookies apart. */
  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Loads the provider, and answers. */
  async load(): Promise<void> {
    const { Provider } = await loadOidcProvider();
    this.#loaded.resolve(new Provider(this.issuer, await configuration(this.#redirectUri)));
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const provider = await this.#loaded.promise;
    if (request.url?.startsWith('/interaction/') === true) await interact(provider, request, response);
    else await provider.callback()(request, response);
  }
}

async function configuration(redirectUri: string): Promise<Configuration> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const adapters = new MemoryAdapters();
  const HOUR_SEC = 3_600;
  return {
    adapter: (name: string) => adapters.model(name),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), use: 'sig', alg: 'ES256' } as never] },
    clients: [
      {
        client_id: CLIENT_ID,
        token_endpoint_auth_method: 'none',
        redirect_uris: [redirectUri],
        response_types: ['code'],
        grant_types: ['authorization_code', 'refresh_token'],
        post_logout_redirect_uris: [`${new URL(redirectUri).origin}/`],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    scopes: ['openid', 'profile', 'email'],
    claims: { openid: ['sub', 'auth_time'], profile: ['name', 'roles'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    clientBasedCORS: () => false,
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      resourceIndicators: { enabled: false },
      rpInitiatedLogout: {
        logoutSource: (koa, form) => logoutPage(koa, form),
        postLogoutSuccessSource: (koa) => logoutPage(koa, null),
      },
    },
    findAccount: (_koa, sub) => {
      const person = PEOPLE[sub];
      if (person === undefined) return undefined;
      const { about: _, ...claims } = person;
      return { accountId: sub, claims: async () => ({ ...claims, sub, email_verified: true }) };
    },
    interactions: { url: (_koa, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: grantEverything,
    issueRefreshToken: async () => true,
    renderError: failurePage,
    cookies: { keys: [crypto.randomUUID()] },
    ttl: {
      AccessToken: HOUR_SEC,
      AuthorizationCode: 60,
      Grant: 24 * HOUR_SEC,
      IdToken: HOUR_SEC,
      Interaction: HOUR_SEC,
      RefreshToken: 24 * HOUR_SEC,
      Session: 24 * HOUR_SEC,
    },
  };
}

/** A click on a name allows everything: this is a demo. */
async function grantEverything(koa: KoaContextWithOIDC) {
  const { client, session, provider, requestParamOIDCScopes } = koa.oidc;
  const grant = new provider.Grant({ clientId: client?.clientId ?? '', accountId: session?.accountId ?? '' });
  grant.addOIDCScope([...requestParamOIDCScopes].join(' '));
  await grant.save();
  return grant;
}

/** The page on which a person says who they are: `GET` shows it, `POST …/{sub}` answers. */
async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = request.method === 'POST' ? (request.url?.split('/')[3] ?? '') : null;
  try {
    const { uid } = await provider.interactionDetails(request, response);
    if (answer === 'cancel') {
      const result = { error: 'access_denied', error_description: 'Nobody was chosen' };
      await provider.interactionFinished(request, response, result);
    } else if (answer !== null && Object.hasOwn(PEOPLE, answer)) {
      const result = { login: { accountId: answer, amr: ['user'] } };
      await provider.interactionFinished(request, response, result);
    } else {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
      response.end(peoplePage(uid, PEOPLE));
    }
  } catch {
    response.writeHead(400, { 'content-type': 'text/plain' }).end('This login has ended. Start again at the shop.\n');
  }
}
