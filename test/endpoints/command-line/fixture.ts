/** A gateway that the command line can log in to, a browser with a session, and a terminal that sends raw bytes. */

import { createHash, randomBytes } from 'node:crypto';
import type { TestClocks } from '../../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { type RawResponse, rawRequest, requestHead } from '../../support/raw-client.ts';
import { FORM, FROM_OUR_PAGE, jsonOf, type LoginStage, NAVIGATION } from '../login/fixture.ts';
import { startWithRefresh } from '../refresh/fixture.ts';

export const REDIRECT_URI = 'http://127.0.0.1:49152/callback';
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
export const CLIENT = { client_id: 'sallyport' };

/** What a terminal remembers during a login. */
export interface Attempt {
  readonly verifier: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export const newAttempt = (overrides: Readonly<Record<string, string>> = {}): Attempt => {
  const verifier = randomBytes(32).toString('base64url');
  return {
    verifier,
    parameters: {
      ...CLIENT,
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      state: randomBytes(16).toString('base64url'),
      ...overrides,
    },
  };
};

/** The hidden fields of the form on a page. */
export const fieldsOf = (response: RawResponse): Record<string, string> =>
  Object.fromEntries(
    [...response.body.toString().matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(
      ([, name = '', value = '']) => [name, value.replaceAll('&amp;', '&')],
    ),
  );

export const locationOf = (response: RawResponse): URL => new URL(response.headers.get('location') ?? '');

/** What a test about the command line needs. */
export class CommandLineStage implements AsyncDisposable {
  readonly login: LoginStage;
  readonly clocks: TestClocks;

  private constructor(login: LoginStage, clocks: TestClocks) {
    this.login = login;
    this.clocks = clocks;
  }

  /** Its clocks are stopped, unless the options have others. */
  static async start(options: Parameters<typeof startWithRefresh>[1] = {}): Promise<CommandLineStage> {
    const defaults = { commandLine: { deviceGrant: true }, accessToken: { scopes: ['orders:read'] } };
    const { login, clocks } = await startWithRefresh(defaults, options);
    return new CommandLineStage(login, clocks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.login[Symbol.asyncDispose]();
  }

  /** Opens the authorization endpoint as a browser does. */
  ask(parameters: Readonly<Record<string, string>>, ...headers: readonly string[]): Promise<RawResponse> {
    return this.login.get(`/auth/authorize?${new URLSearchParams(parameters)}`, ...NAVIGATION, ...headers);
  }

  /** Sends a form as one of the gateway's pages does. */
  submit(path: string, fields: Readonly<Record<string, string>>, ...headers: readonly string[]): Promise<RawResponse> {
    return this.login.send('POST', path, [...FROM_OUR_PAGE, FORM, ...headers], new URLSearchParams(fields).toString());
  }

  /** Allows an attempt in a browser, and returns the code. */
  async codeFor(attempt: Attempt, cookie: string): Promise<string> {
    const page = await this.ask(attempt.parameters, cookie);
    const answer = await this.submit('/auth/authorize', { ...fieldsOf(page), decision: 'allow' }, cookie);
    const code = locationOf(answer).searchParams.get('code');
    if (code === null) throw new Error(`no code in an answer with status ${answer.status}`);
    return code;
  }

  /** Sends a form as a terminal does. */
  terminal(
    path: string,
    fields: Readonly<Record<string, string>>,
    ...headers: readonly string[]
  ): Promise<RawResponse> {
    const body = new URLSearchParams(fields).toString();
    return this.login.send('POST', path, [FORM, 'User-Agent: sallyport/0.0.0 (Linux)', ...headers], body);
  }

  redeem(code: string, { verifier }: Attempt, overrides: Readonly<Record<string, string>> = {}): Promise<RawResponse> {
    return this.terminal('/auth/token', {
      ...CLIENT,
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: verifier,
      ...overrides,
    });
  }

  refresh(token: unknown): Promise<RawResponse> {
    return this.terminal('/auth/token', { ...CLIENT, grant_type: 'refresh_token', refresh_token: String(token) });
  }

  /** Begins a device login. */
  async device(): Promise<{ deviceCode: string; userCode: string }> {
    const answer = jsonOf(await this.terminal('/auth/device_authorization', CLIENT));
    return { deviceCode: String(answer['device_code']), userCode: String(answer['user_code']) };
  }

  poll(deviceCode: string): Promise<RawResponse> {
    return this.terminal('/auth/token', { ...CLIENT, grant_type: DEVICE_GRANT, device_code: deviceCode });
  }

  /** Whether a session's cookie still opens it. */
  async isLoggedIn(cookie: string): Promise<boolean> {
    return (await this.login.get('/auth/session', cookie)).status === 200;
  }

  /** A `fetch` for client libraries: sends requests for the public origin to this gateway. */
  readonly fetch = async (address: string | URL | Request, init: object = {}): Promise<Response> => {
    const asked = new Request(address, init as RequestInit);
    const url = new URL(asked.url);
    if (url.origin !== PUBLIC_ORIGIN) throw new Error(`a request to ${url.origin}`);
    const body = await asked.text();
    const headers = [...asked.headers].map(([name, value]) => `${name}: ${value}`);
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    const head = requestHead(asked.method, `${url.pathname}${url.search}`, [HOST, length, ...headers]);
    const answer = await rawRequest(this.login.gateway.port, Buffer.concat([Buffer.from(head), Buffer.from(body)]));
    return new Response(answer.body.byteLength === 0 ? null : answer.body.toString(), {
      status: answer.status,
      headers: [...answer.headers].filter(([name]) => name !== 'content-length'),
    });
  };
}
