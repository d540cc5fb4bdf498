/**
 * Our own OpenID provider, for what no honest one does: it behaves well, except in the one way that a test names
 * ({@link HostileProvider.misbehave}). Its authorization endpoint knows the user and sends the browser straight back.
 */

import { createHash, randomBytes } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { html } from '../../../src/lib/text/html.ts';
import { forge, type KeyPair, publicJwk, rs256, rsaKeyPair } from '../issuers/forger.ts';
import { authorizationAnswer } from './hostile-responses.ts';
import type { Claims, MisbehavingProvider, Misbehaviour, Writer } from './misbehaviour.ts';
import { MISBEHAVIOURS, type MisbehaviourName } from './misbehaviours.ts';

/** A request that it received. */
export interface HostileCall {
  readonly endpoint: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly parameters: URLSearchParams;
}

interface Code {
  readonly request: URLSearchParams;
  isUsed: boolean;
}

const USER: Claims = {
  sub: 'mallory-1',
  name: 'Mallory',
  email: 'mallory@example.com',
  email_verified: true,
  groups: ['staff'],
};

/** Created once per process: that takes longer than a login. */
const keys: KeyPair[] = [];
function keyPair(index: number): KeyPair {
  const pair = keys[index] ?? rsaKeyPair();
  keys[index] = pair;
  return pair;
}

export class HostileProvider implements MisbehavingProvider, AsyncDisposable {
  readonly clientId = 'shop';
  readonly clientSecret = 'the secret of the shop, 43 characters and more';
  /** Every request that it received, in order. */
  readonly calls: HostileCall[] = [];
  /** The claims of the user at the browser. */
  user: Claims = { ...USER };
  /** Codes and tokens that it has issued, and credentials in requests: none of these may be in a log. */
  readonly secrets: string[] = [this.clientSecret];
  /** ID tokens that it has issued for codes. */
  readonly idTokens: string[] = [];
  /** Its page after a logout opens this in a frame (Front-Channel Logout §3), and has a link back; `null`: no page. */
  frontchannelLogoutUri: string | null = null;
  /** Additional members of the discovery document, without misbehaviour. */
  metadata: Claims = {};
  #misbehaviour: Misbehaviour = {};
  #generation = 0;
  readonly #codes = new Map<string, Code>();
  /** Refresh token → its subject. */
  readonly #refreshTokens = new Map<string, unknown>();
  readonly #server: Server;
  readonly #nowMs: () => number;

  private constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  /** Starts a provider that behaves well. Dispose of it with `await using`. */
  static async start({ nowMs = Date.now }: { readonly nowMs?: () => number } = {}): Promise<HostileProvider> {
    const provider = new HostileProvider(nowMs);
    await new Promise<void>((resolve) => provider.#server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get nowSec(): number {
    return Math.floor(this.#nowMs() / 1_000);
  }

  get key(): KeyPair {
    return keyPair(this.#generation);
  }

  get kid(): string {
    return `key-${this.#generation}`;
  }

  /** From now on misbehaves in this one way only. */
  misbehave(name: MisbehaviourName): void {
    this.#misbehaviour = MISBEHAVIOURS[name];
  }

  /** Stops misbehaving. */
  reform(): void {
    this.#misbehaviour = {};
    this.user = { ...USER };
  }

  /** Signs with a new key from now on, and publishes only that one. */
  rotateKey(): void {
    this.#generation += 1;
  }

  /** A key that was never published. */
  strangeKey(): KeyPair {
    return keyPair(99);
  }

  countOf(endpoint: string): number {
    return this.calls.filter((call) => call.endpoint === endpoint).length;
  }

  /** Header and claims of an honest ID token, signed. */
  idToken(claims: Claims, change: Misbehaviour = {}): string {
    const header = { alg: 'RS256', kid: this.kid };
    const [changedHeader, changedClaims] = [
      change.header?.(header, this) ?? header,
      change.claims?.(claims, this) ?? claims,
    ];
    return change.idToken?.(changedHeader, changedClaims, this) ?? forge(changedHeader, changedClaims, rs256(this.key));
  }

  /** A logout token (OIDC Back-Channel Logout §2.4) for a session or a user, with a test's changes. */
  logoutToken(who: { sid?: string; sub?: string }, change: Misbehaviour = {}): string {
    const claims = {
      iss: this.issuer,
      aud: this.clientId,
      iat: this.nowSec,
      exp: this.nowSec + 120,
      jti: randomBytes(16).toString('base64url'),
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      ...who,
    };
    return this.idToken(claims, { header: (header) => ({ ...header, typ: 'logout+jwt' }), ...change });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.issuer);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
    const parameters = isForm ? new URLSearchParams(Buffer.concat(parts).toString()) : url.searchParams;
    const endpoint = url.pathname === '/.well-known/openid-configuration' ? 'discovery' : url.pathname.slice(1);
    const call = { endpoint, method: request.method ?? '', headers: request.headers, parameters };
    this.calls.push(call);
    this.#answer(call, response);
  }

  #answer(call: HostileCall, response: ServerResponse): void {
    const bad = this.#misbehaviour;
    if (call.endpoint === 'discovery') write(response, bad.discovery?.(this.#document(), this) ?? this.#document());
    else if (call.endpoint === 'keys') write(response, this.#keySet());
    else if (call.endpoint === 'authorize') this.#authorize(call.parameters, response);
    else if (call.endpoint === 'token') this.#token(call, response);
    else if (call.endpoint === 'userinfo') this.#userinfo(call, response);
    else if (call.endpoint === 'end-session') this.#endSession(call.parameters, response);
    else if (call.endpoint === 'revoke') response.writeHead(200).end();
    else response.writeHead(404).end();
  }

  #document(): Claims {
    const at = (path: string) => `${this.issuer}/${path}`;
    return {
      issuer: this.issuer,
      authorization_endpoint: at('authorize'),
      token_endpoint: at('token'),
      userinfo_endpoint: at('userinfo'),
      jwks_uri: at('keys'),
      end_session_endpoint: at('end-session'),
      revocation_endpoint: at('revoke'),
      response_types_supported: ['code'],
      response_modes_supported: ['query', 'form_post', 'fragment'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      code_challenge_methods_supported: ['S256'],
      scopes_supported: ['openid', 'profile', 'email'],
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
      ...this.metadata,
    };
  }

  #keySet(): unknown {
    const published = [publicJwk(this.key, { kid: this.kid, alg: 'RS256', use: 'sig' })];
    return this.#misbehaviour.keySet?.(published, this) ?? { keys: published };
  }

  #authorize(request: URLSearchParams, response: ServerResponse): void {
    const code = randomBytes(24).toString('base64url');
    this.#codes.set(code, { request, isUsed: false });
    this.secrets.push(code, ...['state', 'nonce'].flatMap((name) => request.get(name) ?? []));
    const honest = { code, state: request.get('state') ?? '', iss: this.issuer };
    const parameters = this.#misbehaviour.authorization?.(honest, this) ?? honest;
    const mode = this.#misbehaviour.responseMode ?? request.get('response_mode') ?? 'query';
    authorizationAnswer(response, request.get('redirect_uri') ?? '', mode, parameters);
  }

  #token(call: HostileCall, response: ServerResponse): void {
    if (!this.#isClient(call)) refuse(response, 401, 'invalid_client');
    else if (call.parameters.get('grant_type') === 'refresh_token') this.#refresh(call.parameters, response);
    else this.#redeem(call.parameters, response);
  }

  #redeem(parameters: URLSearchParams, response: ServerResponse): void {
    const code = this.#codes.get(parameters.get('code') ?? '');
    if (code === undefined || !isRedeemable(code, parameters)) {
      refuse(response, 400, 'invalid_grant');
      return;
    }
    code.isUsed = true;
    const idToken = this.idToken(this.#claims(code.request), this.#misbehaviour);
    this.idTokens.push(idToken);
    const body = { ...this.#tokens(this.user['sub']), id_token: idToken };
    write(response, this.#misbehaviour.token?.(body, this) ?? body);
  }

  #refresh(parameters: URLSearchParams, response: ServerResponse): void {
    const presented = parameters.get('refresh_token') ?? '';
    if (!this.#refreshTokens.has(presented)) {
      refuse(response, 400, 'invalid_grant');
      return;
    }
    const sub = this.#refreshTokens.get(presented);
    const claims = { ...this.#claims(new URLSearchParams()), sub };
    const changed = this.#misbehaviour.refreshClaims?.(claims, this) ?? claims;
    const body: Claims = { ...this.#tokens(sub), id_token: this.idToken(changed) };
    const answer: Claims | Writer = this.#misbehaviour.refresh?.(body, this) ?? body;
    // A failing provider has not redeemed the token, and one that issues no other leaves it valid.
    if (typeof answer !== 'function' && answer['refresh_token'] !== undefined) this.#refreshTokens.delete(presented);
    write(response, answer);
  }

  #tokens(sub: unknown): Claims {
    const [accessToken, refreshToken] = [randomBytes(24).toString('base64url'), randomBytes(24).toString('base64url')];
    this.#refreshTokens.set(refreshToken, sub);
    this.secrets.push(accessToken, refreshToken);
    return { access_token: accessToken, refresh_token: refreshToken, token_type: 'Bearer', expires_in: 300 };
  }

  #claims(request: URLSearchParams): Claims {
    const [nonce, acr] = [request.get('nonce'), request.get('acr_values')?.split(' ')[0]];
    return {
      iss: this.issuer,
      aud: this.clientId,
      iat: this.nowSec,
      exp: this.nowSec + 300,
      auth_time: this.nowSec,
      sid: 'session-1',
      ...(nonce === null ? {} : { nonce }),
      ...(acr === undefined ? {} : { acr }),
      ...this.user,
    };
  }

  #userinfo(call: HostileCall, response: ServerResponse): void {
    if (call.headers.authorization?.startsWith('Bearer ') !== true) refuse(response, 401, 'invalid_token');
    else write(response, this.#misbehaviour.userinfo?.({ ...this.user }, this) ?? this.user);
  }

  #endSession(parameters: URLSearchParams, response: ServerResponse): void {
    const target = new URL(parameters.get('post_logout_redirect_uri') ?? `${this.issuer}/logged-out`);
    const given = parameters.get('state');
    const state = this.#misbehaviour.logoutState === undefined ? given : this.#misbehaviour.logoutState(given);
    if (state !== null) target.searchParams.set('state', state);
    if (this.frontchannelLogoutUri === null) return void response.writeHead(303, { location: target.href }).end();
    const frame = `${this.frontchannelLogoutUri}?${new URLSearchParams({ iss: this.issuer, sid: 'session-1' })}`;
    const page = html`<iframe src="${frame}"></iframe><a href="${target.href}">Go on</a>`;
    response.writeHead(200, { 'content-type': 'text/html' }).end(page.text);
  }

  #isClient({ headers, parameters }: HostileCall): boolean {
    const [id, secret] = basicCredentials(headers.authorization) ?? [
      parameters.get('client_id'),
      parameters.get('client_secret'),
    ];
    return id === this.clientId && secret === this.clientSecret;
  }
}

/** RFC 6749 §2.3.1: both parts are form-encoded first. */
function basicCredentials(authorization = ''): readonly [string, string] | null {
  const [scheme, encoded = ''] = authorization.split(' ');
  if (scheme?.toLowerCase() !== 'basic') return null;
  const text = Buffer.from(encoded, 'base64').toString();
  const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '));
  const colon = text.indexOf(':');
  return [decode(text.slice(0, colon)), decode(text.slice(colon + 1))];
}

/** RFC 6749 §4.1.3, RFC 7636 §4.6. */
function isRedeemable({ request, isUsed }: Code, parameters: URLSearchParams): boolean {
  const verifier = parameters.get('code_verifier') ?? '';
  return (
    !isUsed &&
    parameters.get('redirect_uri') === request.get('redirect_uri') &&
    request.get('code_challenge_method') === 'S256' &&
    createHash('sha256').update(verifier).digest('base64url') === request.get('code_challenge')
  );
}

function write(response: ServerResponse, answer: unknown): void {
  if (typeof answer === 'function') (answer as Writer)(response);
  else json(response, 200, answer);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

const refuse = (response: ServerResponse, status: number, error: string) => json(response, status, { error });
