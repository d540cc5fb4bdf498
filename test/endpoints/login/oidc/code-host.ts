/**
 * A plain OAuth 2.0 server like GitHub's: no discovery, no ID tokens, a secret in the body, token errors with status
 * 200, a numeric id, and email addresses in a separate document.
 */

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export class CodeHost implements AsyncDisposable {
  readonly clientId = 'shop';
  readonly clientSecret = 'the secret of the shop at the code host';
  user: Record<string, unknown> = { id: 583_231, login: 'octocat', name: 'The Octocat', email: null };
  emails: unknown = [
    { email: 'octocat@elsewhere.example', primary: false, verified: true },
    { email: 'octocat@example.com', primary: true, verified: true },
  ];
  orgs: unknown = [{ login: 'example' }, { login: 'octo-org' }];
  /** The parameters of the authorization request. */
  asked: URLSearchParams = new URLSearchParams();
  readonly #server: Server;
  readonly #codes = new Map<string, URLSearchParams>();

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<CodeHost> {
    const host = new CodeHost();
    await new Promise<void>((resolve) => host.#server.listen(0, '127.0.0.1', resolve));
    return host;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get endpoints() {
    const { origin } = this;
    return {
      authorization: `${origin}/authorize`,
      token: `${origin}/token`,
      userinfo: `${origin}/user`,
      documents: { emails: `${origin}/user/emails`, orgs: `${origin}/user/orgs` },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.origin);
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (url.pathname === '/authorize') {
      const code = randomBytes(8).toString('hex');
      this.asked = url.searchParams;
      this.#codes.set(code, url.searchParams);
      const back = new URL(url.searchParams.get('redirect_uri') ?? '');
      back.searchParams.set('code', code);
      back.searchParams.set('state', url.searchParams.get('state') ?? '');
      response.writeHead(302, { location: back.href }).end();
    } else if (url.pathname === '/token') {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      json(this.#redeem(new URLSearchParams(Buffer.concat(parts).toString())));
    } else if (request.headers.authorization !== 'Bearer gho_token') {
      json({ message: 'Bad credentials' }, 401);
    } else {
      json({ '/user': this.user, '/user/emails': this.emails, '/user/orgs': this.orgs }[url.pathname]);
    }
  }

  #redeem(body: URLSearchParams): Record<string, string> {
    const asked = this.#codes.get(body.get('code') ?? '');
    this.#codes.delete(body.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(body.get('code_verifier') ?? '')
      .digest('base64url');
    const isClient = body.get('client_id') === this.clientId && body.get('client_secret') === this.clientSecret;
    if (!isClient) return { error: 'incorrect_client_credentials' };
    if (asked === undefined || asked.get('code_challenge') !== challenge) return { error: 'bad_verification_code' };
    return { access_token: 'gho_token', token_type: 'bearer', scope: asked.get('scope') ?? '' };
  }
}
