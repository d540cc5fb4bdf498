/** The settings of the tests' identity provider, and how they become a configuration of `oidc-provider`. */

import { X509Certificate } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { JWK } from 'jose';
import type { Account, ClientMetadata, Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { loadOidcProvider, type OidcProviderLibrary } from '../../../demo/provider/load.ts';
import type { MemoryAdapters } from '../../../demo/provider/memory-adapters.ts';
import type { IssuedCertificate } from '../issuers/certificates.ts';

/** A person who can log in. */
export interface Person {
  readonly password: string;
  /** Claims other than `sub`, which is the name of the account. */
  claims: Record<string, unknown>;
  /** `amr` of a login without further requirements. */
  readonly amr?: readonly string[];
  /** A deactivated person gets no more tokens. */
  isActive?: boolean;
}

/** A request that the provider answered. */
export interface ProviderCall {
  /**
   * Name of the endpoint: `authorization`, `token`, `userinfo`, `pushed_authorization_request`, `revocation`, `jwks`, …
   */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** Of the query or the body, including secrets. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Subject of the client certificate that came with it; `null` without one. */
  readonly certificate: string | null;
}

export type SigningAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

/** A provider over TLS, which asks for client certificates (RFC 8705). */
export interface ProviderTls {
  /** The provider's certificate, for 127.0.0.1. */
  readonly server: IssuedCertificate;
  /** Issuer of the client certificates that `tls_client_auth` accepts, PEM. */
  readonly clientAuthority: string;
  /** Whether clients with a certificate have separate endpoints (§5). The others then request no certificate. */
  readonly aliases: boolean;
}

export interface IdentityProviderOptions {
  /** Redirect URIs of the relying party. Default: that of `corporate` at the public origin of the fixtures. */
  readonly redirectUris?: readonly string[];
  readonly clientAuthentication?:
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'tls_client_auth'
    | 'self_signed_tls_client_auth'
    | 'none';
  /** Default: plain HTTP. */
  readonly tls?: ProviderTls;
  /** Additional registration data of the relying party (`post_logout_redirect_uris`, `backchannel_logout_uri`, …). */
  readonly client?: Partial<ClientMetadata>;
  readonly idTokenAlgorithm?: SigningAlgorithm;
  /** Answers of the userinfo endpoint are JWTs signed with it. Default: plain JSON. */
  readonly userinfoAlgorithm?: SigningAlgorithm;
  /** Pushed authorization requests (RFC 9126). Default: offered. */
  readonly pushedAuthorizationRequests?: 'off' | 'offered' | 'required';
  /** Whether requests without PKCE (RFC 7636) are refused. Default: yes. */
  readonly requirePkce?: boolean;
  /** Where the claims of `profile`, `email`, … are. Default: only at the userinfo endpoint, as OIDC Core §5.4 says. */
  readonly claimsIn?: 'userinfo' | 'idToken';
  /** The `iss` parameter of authorization responses (RFC 9207). Default: sent and advertised. */
  readonly issParameter?: boolean;
  readonly userinfo?: boolean;
  /** Default: always. `offlineAccess`: only if that scope and `prompt=consent` are requested. */
  readonly refreshTokens?: 'always' | 'offlineAccess' | 'never';
  /** Whether a refresh token is valid for one use. Default: yes. */
  readonly rotateRefreshTokens?: boolean;
  readonly rpInitiatedLogout?: boolean;
  readonly backchannelLogout?: boolean;
  readonly revocation?: boolean;
  readonly deviceFlow?: boolean;
  /** Values of `acr` that a person can reach on request, with `amr` `pwd otp`. */
  readonly acrValues?: readonly string[];
  readonly accessTokenLifetimeSec?: number;
  readonly refreshTokenLifetimeSec?: number;
  readonly people?: Record<string, Person>;
  /** Loopback ports where back-channel logout reaches origins that do not exist here. */
  readonly origins?: Record<string, number>;
}

/** The parts of a provider. */
export interface ProviderParts {
  readonly issuer: string;
  readonly options: IdentityProviderOptions;
  readonly people: Readonly<Record<string, Person>>;
  readonly adapters: MemoryAdapters;
  readonly calls: ProviderCall[];
  readonly keys: readonly JWK[];
  /** The origin of the endpoints for clients with a certificate; `null` if there are none. */
  readonly aliasOrigin: string | null;
}

/** Opens a provider that answers at its issuer. */
export async function openProvider(parts: ProviderParts): Promise<Provider> {
  const library = await loadOidcProvider();
  const provider = new library.Provider(parts.issuer, configurationOf(parts, library));
  provider.use(async (ctx, next) => {
    await next();
    const { oidc } = ctx as KoaContextWithOIDC;
    if (oidc === undefined) return;
    const parameters = { ...oidc.params, ...oidc.body };
    const certificate = certificateOf(ctx as KoaContextWithOIDC)?.subject ?? null;
    parts.calls.push({ route: oidc.route, method: ctx.method, status: ctx.status, parameters, certificate });
    if (oidc.route === 'discovery' && parts.options.issParameter === false) {
      // JSON omits what is undefined.
      (ctx.body as Record<string, unknown>)['authorization_response_iss_parameter_supported'] = undefined;
    }
  });
  if (parts.options.issParameter === false) {
    // The device flow has no response.
    const leaveOut = (_ctx: unknown, response?: Record<string, unknown>) => {
      if (response !== undefined) response['iss'] = undefined;
    };
    provider.on('authorization.success', leaveOut as never);
  }
  return provider;
}

function configurationOf(
  { options, people, adapters, keys, aliasOrigin }: ProviderParts,
  { interactionPolicy }: OidcProviderLibrary,
): Configuration {
  return {
    adapter: (name: string) => adapters.model(name),
    jwks: { keys: keys.map((key) => ({ ...key })) as never },
    cookies: { keys: ['signs the cookies of the provider'] },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups', 'roles'],
    claims: {
      openid: ['sub', 'acr', 'amr', 'auth_time'],
      profile: ['name', 'preferred_username', 'hd', 'picture'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
      roles: ['roles', 'realm_access'],
      iss: null,
      sid: null,
    },
    conformIdTokenClaims: options.claimsIn !== 'idToken',
    acrValues: [...(options.acrValues ?? [])],
    pkce: { required: () => options.requirePkce !== false },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}`, policy: policyOf(interactionPolicy) },
    findAccount: (_ctx, sub) => accountOf(people, sub),
    loadExistingGrant: grantEverything,
    clientBasedCORS: () => false,
    issueRefreshToken: async (_ctx, client, source) =>
      client.grantTypeAllowed('refresh_token') &&
      options.refreshTokens !== 'never' &&
      (options.refreshTokens !== 'offlineAccess' || source.scopes.has('offline_access')),
    rotateRefreshToken: options.rotateRefreshTokens !== false,
    expiresWithSession: () => false,
    renderError: (ctx, out) => {
      ctx.type = 'text/plain';
      ctx.body = `provider error: ${JSON.stringify(out)}`;
    },
    features: featuresOf(options),
    ...(options.tls !== undefined && { clientAuthMethods: [options.clientAuthentication ?? 'client_secret_basic'] }),
    ...(aliasOrigin !== null && { discovery: { mtls_endpoint_aliases: aliasesAt(aliasOrigin) } }),
    ttl: lifetimesOf(options),
    fetch: (url, fetchOptions) => fetchLoopback(options.origins ?? {}, url, fetchOptions ?? {}),
  };
}

function featuresOf(options: IdentityProviderOptions): Configuration['features'] {
  const par = options.pushedAuthorizationRequests ?? 'offered';
  return {
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
    pushedAuthorizationRequests: { enabled: par !== 'off', requirePushedAuthorizationRequests: par === 'required' },
    userinfo: { enabled: options.userinfo !== false },
    jwtUserinfo: { enabled: options.userinfoAlgorithm !== undefined },
    revocation: {
      enabled: options.revocation !== false,
      allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId,
    },
    claimsParameter: { enabled: true },
    ...(options.tls !== undefined && { mTLS: MUTUAL_TLS }),
    backchannelLogout: { enabled: options.backchannelLogout !== false },
    resourceIndicators: { enabled: false },
    rpInitiatedLogout: {
      enabled: options.rpInitiatedLogout !== false,
      logoutSource: (ctx, form) =>
        page(ctx, `${form}<button form="op.logoutForm" name="logout" value="yes">Log out</button>`),
      postLogoutSuccessSource: (ctx) => page(ctx, '<p>Logged out at the provider</p>'),
    },
    deviceFlow: {
      enabled: options.deviceFlow !== false,
      userCodeInputSource: (ctx, form, _out, error) =>
        page(
          ctx,
          `${error === undefined ? '' : '<p>Wrong code</p>'}${form}<button form="op.deviceInputForm">Go on</button>`,
        ),
      userCodeConfirmSource: (ctx, form) => page(ctx, `${form}<button form="op.deviceConfirmForm">Yes</button>`),
      successSource: (ctx) => page(ctx, '<p>You can close this page</p>'),
    },
  };
}

const aliasesAt = (origin: string) => ({
  token_endpoint: `${origin}/token`,
  revocation_endpoint: `${origin}/token/revocation`,
  pushed_authorization_request_endpoint: `${origin}/request`,
  userinfo_endpoint: `${origin}/me`,
});

const MUTUAL_TLS = {
  enabled: true,
  certificateBoundAccessTokens: true,
  selfSignedTlsClientAuth: true,
  tlsClientAuth: true,
  getCertificate: (ctx: KoaContextWithOIDC) => certificateOf(ctx) ?? undefined,
  certificateAuthorized: (ctx: KoaContextWithOIDC) => (ctx.req.socket as TLSSocket).authorized,
  certificateSubjectMatches: (ctx: KoaContextWithOIDC, property: string, expected: string) =>
    property === 'tls_client_auth_san_dns' && certificateOf(ctx)?.subjectAltName === `DNS:${expected}`,
};

function certificateOf({ req }: KoaContextWithOIDC): X509Certificate | null {
  const raw = req.socket instanceof TLSSocket ? req.socket.getPeerCertificate().raw : undefined;
  return raw === undefined ? null : new X509Certificate(raw);
}

function page(ctx: KoaContextWithOIDC, body: string): void {
  ctx.type = 'html';
  ctx.body = `<!doctype html><html lang="en"><head><title>Provider</title></head><body>${body}</body></html>`;
}

function lifetimesOf({ accessTokenLifetimeSec = 300, refreshTokenLifetimeSec = 86_400 }: IdentityProviderOptions) {
  return {
    AccessToken: accessTokenLifetimeSec,
    AuthorizationCode: 60,
    DeviceCode: 600,
    Grant: 86_400,
    IdToken: 3_600,
    Interaction: 3_600,
    RefreshToken: refreshTokenLifetimeSec,
    Session: 86_400,
  };
}

/**
 * Asks for a login also if a stronger one than the session's is requested (as Keycloak and Entra do for `acr_values`).
 */
function policyOf({ Check, base }: OidcProviderLibrary['interactionPolicy']) {
  const prompts = base();
  const isStronger = async (ctx: KoaContextWithOIDC) => {
    const asked = `${ctx.oidc.params?.['acr_values'] ?? ''}`.split(' ').filter((value) => value !== '');
    const isReached = asked.length === 0 || asked.includes(ctx.oidc.session?.acr ?? '') || isJustLoggedIn(ctx);
    return isReached ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT;
  };
  prompts
    .get('login')
    ?.checks.add(new Check('acr_values', 'a stronger login is asked for', 'login_required', isStronger));
  return prompts;
}

const isJustLoggedIn = (ctx: KoaContextWithOIDC) => ctx.oidc.result?.login !== undefined;

async function accountOf(people: Readonly<Record<string, Person>>, sub: string): Promise<Account | undefined> {
  const person = people[sub];
  if (person === undefined || person.isActive === false) return undefined;
  return { accountId: sub, claims: async () => ({ ...person.claims, sub }) };
}

/** A login also grants everything that is requested. */
async function grantEverything(ctx: KoaContextWithOIDC) {
  const { client, session, provider, result, requestParamOIDCScopes, requestParamClaims } = ctx.oidc;
  if (client === undefined || session === undefined) return undefined;
  const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const found = known === undefined ? undefined : await provider.Grant.find(known);
  const grant = found ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId ?? '' });
  grant.addOIDCScope([...requestParamOIDCScopes].join(' '));
  grant.addOIDCClaims([...requestParamClaims]);
  await grant.save();
  return grant;
}

/** Lets its own requests (back-channel logout) reach loopback, which its defaults refuse. */
function fetchLoopback(
  origins: Readonly<Record<string, number>>,
  input: unknown,
  options: RequestInit,
): Promise<Response> {
  const url = new URL(String(input));
  const port = origins[url.origin] ?? Number(url.port);
  const headers = { ...Object.fromEntries(new Headers(options.headers)), host: url.host };
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: '127.0.0.1',
        port,
        path: url.pathname + url.search,
        method: options.method ?? 'GET',
        headers,
        agent: false,
      },
      async (incoming) => {
        const parts: Buffer[] = [];
        for await (const part of incoming) parts.push(part as Buffer);
        const body = parts.length === 0 ? null : Buffer.concat(parts);
        resolve(new Response(body, { status: incoming.statusCode ?? 500 }));
      },
    );
    outgoing.once('error', reject);
    outgoing.end(options.body === undefined || options.body === null ? undefined : String(options.body));
  });
}
