/** A gateway with refresh tokens: logins that ask for them, and refreshes as apps send them. */

import { decodeJwt } from 'jose';
import { TestClocks } from '../../support/clocks.ts';
import { type GatewayOptions, PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { asHandle } from '../../support/names.ts';
import type { RawResponse } from '../../support/raw-client.ts';
import { FORM, JSON_TYPE, jsonOf, LoginStage, PASSWORD, sessionIdIn } from '../login/fixture.ts';

/** What a browser sends with a request by a script of the gateway's origin. */
export const FROM_OUR_SCRIPT = [
  `Origin: ${PUBLIC_ORIGIN}`,
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: cors',
  'Sec-Fetch-Dest: empty',
];
export const REFRESH_COOKIE = /^__Secure-refresh=([^;]*); Path=\/auth\/refresh; Secure; HttpOnly; SameSite=Strict$/;
export const CLEARED = '__Secure-refresh=; Path=/auth/refresh; Secure; HttpOnly; SameSite=Strict; Max-Age=0';
export const GRACE_MS = 10_000;

/** The cookies of a logged-in browser. */
export interface Browser {
  readonly sessionId: string;
  readonly refreshToken: string;
}

type Options = GatewayOptions & { refresh?: object; login?: Record<string, unknown> };

/** A gateway with a section `refresh`, in which the options override the defaults. Its clocks are stopped. */
export async function startWithRefresh(
  defaults: object,
  { refresh = {}, config = {}, ...options }: Options,
): Promise<{ readonly login: LoginStage; readonly clocks: TestClocks }> {
  const clocks = new TestClocks();
  const section = { ...defaults, ...refresh };
  return { login: await LoginStage.start({ clocks, ...options, config: { refresh: section, ...config } }), clocks };
}

export class RefreshStage implements AsyncDisposable {
  readonly login: LoginStage;
  readonly clocks: TestClocks;

  private constructor(login: LoginStage, clocks: TestClocks) {
    this.login = login;
    this.clocks = clocks;
  }

  static async start(options: Options = {}): Promise<RefreshStage> {
    const { login, clocks } = await startWithRefresh({ clients: ['browser', 'native'] }, options);
    return new RefreshStage(login, clocks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.login[Symbol.asyncDispose]();
  }

  /** Logs in as a native app. */
  async native(username = 'alice'): Promise<Record<string, unknown>> {
    const response = await this.logIn({ username, refresh: 'native' });
    if (response.status !== 200) throw new Error(`login answered with ${response.status}`);
    return jsonOf(response);
  }

  /** Logs in as a single-page app. */
  async browser(username = 'alice'): Promise<Browser> {
    const response = await this.logIn({ username, refresh: 'browser' }, ...FROM_OUR_SCRIPT);
    return { sessionId: sessionIdIn(response), refreshToken: refreshCookieIn(response) };
  }

  logIn(body: object, ...headers: readonly string[]): Promise<RawResponse> {
    return this.login.send(
      'POST',
      '/auth/login',
      [JSON_TYPE, ...headers],
      JSON.stringify({ password: PASSWORD, ...body }),
    );
  }

  /** Refreshes as a native app does. */
  refresh(token: unknown, parameters: Record<string, string> = {}): Promise<RawResponse> {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: String(token), ...parameters });
    return this.login.send('POST', '/auth/refresh', [FORM], body.toString());
  }

  /** Refreshes as a single-page app does. */
  refreshInBrowser(
    { sessionId, refreshToken }: Browser,
    headers: readonly string[] = FROM_OUR_SCRIPT,
  ): Promise<RawResponse> {
    const cookie = `Cookie: __Host-sid=${sessionId}; __Secure-refresh=${refreshToken}`;
    return this.login.send('POST', '/auth/refresh', [cookie, ...headers]);
  }

  /** Advances the clocks until a token that was just replaced can no longer be replayed. */
  passGrace(): void {
    this.clocks.advance(GRACE_MS + 1);
  }

  /** Whether the session of an access token is still there. */
  async isAlive(accessToken: unknown): Promise<boolean> {
    const { sid } = decodeJwt(String(accessToken));
    return (await this.login.gateway.gateway.store.sessions.read(asHandle(String(sid)))) !== null;
  }
}

/** The refresh token in the Set-Cookie lines of an answer. */
export function refreshCookieIn(response: RawResponse): string {
  const lines = response.headers.get('set-cookie')?.split('\n') ?? [];
  const [, token] = lines.map((line) => REFRESH_COOKIE.exec(line)).find((match) => match !== null) ?? [];
  if (token === undefined) throw new Error(`no refresh cookie in an answer with status ${response.status}`);
  return token;
}
