/**
 * A gateway that people can log in to: a users file on disk, passwords hashed as cheaply as the gateway accepts, and
 * requests in raw bytes as browsers and programs send them.
 */

import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashPassword } from '../../../src/endpoints/login/password/hash.ts';
import type { Clocks } from '../../../src/lib/clock.ts';
import { TestClocks } from '../../support/clocks.ts';
import { type GatewayOptions, HOST, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../../support/gateway.ts';
import { type RawResponse, rawRequest, requestHead } from '../../support/raw-client.ts';

export const CHEAP = { memoryKib: 7_168, passes: 1, lanes: 1 };
export const PASSWORD = 'correct horse battery staple';
const HASH = await hashPassword(PASSWORD, CHEAP);

/** A users file with alice and bob, whose password is {@link PASSWORD}. */
export const USERS = `users:
  - name: alice
    passwordHash: ${HASH}
    email: alice@example.com
    displayName: Alice
    roles: [customer]
    attributes: { tenant: acme }
  - name: bob
    passwordHash: ${HASH}
    subject: u-bob
`;

/** A temporary directory for one test's files. */
export class Files implements AsyncDisposable {
  readonly directory = join(tmpdir(), `sallyport-${randomUUID()}`);

  async write(name: string, text: string): Promise<string> {
    await mkdir(this.directory, { recursive: true });
    const path = join(this.directory, name);
    await writeFile(path, text);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** What a test about logins needs. */
export class LoginStage implements AsyncDisposable {
  readonly gateway: TestGateway;
  readonly files: Files;
  readonly usersFile: string;
  /** The gateway's clocks. */
  readonly clocks: Clocks;

  private constructor(gateway: TestGateway, files: Files, usersFile: string, clocks: Clocks) {
    this.gateway = gateway;
    this.files = files;
    this.usersFile = usersFile;
    this.clocks = clocks;
  }

  /**
   * Starts a gateway with a users file; `login` overrides the fixture's defaults. Its clocks are stopped, so that no
   * throttle delay passes while a password is hashed.
   */
  static async start({
    config = {},
    login = {},
    users = USERS,
    clocks = new TestClocks(),
    ...options
  }: GatewayOptions & { login?: Record<string, unknown>; users?: string } = {}): Promise<LoginStage> {
    await using opened = new AsyncDisposableStack();
    const files = opened.use(new Files());
    const usersFile = await files.write('users.yaml', users);
    const gateway = await startGateway({
      ...options,
      clocks,
      config: { ...config, login: { password: { usersFile }, ...login } },
    });
    opened.move();
    return new LoginStage(gateway, files, usersFile, clocks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.files[Symbol.asyncDispose]();
  }

  get(path: string, ...headers: readonly string[]): Promise<RawResponse> {
    return rawRequest(this.gateway.port, requestHead('GET', path, [HOST, ...headers]));
  }

  send(method: string, path: string, headers: readonly string[], body = ''): Promise<RawResponse> {
    const length = `Content-Length: ${Buffer.byteLength(body, 'utf8')}`;
    const head = requestHead(method, path, [HOST, length, ...headers]);
    return rawRequest(this.gateway.port, Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]));
  }

  /** Logs in as the form of the login page does. */
  submit(fields: Record<string, string>, ...headers: readonly string[]): Promise<RawResponse> {
    const body = new URLSearchParams(fields).toString();
    return this.send('POST', '/auth/login', [...FROM_OUR_PAGE, FORM, ...headers], body);
  }

  /** Logs in as a program does. */
  logIn(username: string, password: string, ...headers: readonly string[]): Promise<RawResponse> {
    return this.send('POST', '/auth/login', [JSON_TYPE, ...headers], JSON.stringify({ username, password }));
  }

  /** Logs in, and returns the cookie as a Cookie header line. */
  async cookieOf(username: string, ...headers: readonly string[]): Promise<string> {
    return `Cookie: __Host-sid=${sessionIdIn(await this.logIn(username, PASSWORD, ...headers))}`;
  }
}

export const FORM = 'Content-Type: application/x-www-form-urlencoded';
export const JSON_TYPE = 'Content-Type: application/json';
/** What a browser sends with a form on one of the gateway's pages. */
export const FROM_OUR_PAGE = [
  `Origin: ${PUBLIC_ORIGIN}`,
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Dest: document',
];
/** What a browser sends when it navigates to a page. */
export const NAVIGATION = ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'];

export const DELETED_COOKIE = '__Host-sid=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0';

/** The session id in the Set-Cookie line of an answer. */
export function sessionIdIn(response: RawResponse): string {
  const id = /^__Host-sid=([A-Za-z0-9_-]{43});/.exec(response.headers.get('set-cookie') ?? '')?.[1];
  if (id === undefined) throw new Error(`no session cookie in an answer with status ${response.status}`);
  return id;
}

export const jsonOf = (response: RawResponse): Record<string, unknown> =>
  JSON.parse(response.body.toString()) as Record<string, unknown>;

export const reasonOf = (response: RawResponse): unknown => jsonOf(response)['reason'];

/** The audit events of one kind. */
export const events = (stage: LoginStage, name: string): Record<string, unknown>[] =>
  stage.gateway.audit.records.filter((record) => record['event'] === name);

/** The value of a metric's series. */
export async function metricValue(stage: LoginStage, series: string): Promise<number> {
  const line = (await stage.gateway.metrics.text()).split('\n').find((text) => text.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}
