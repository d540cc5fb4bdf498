/**
 * Another independent identity provider, in another language: the example server of zitadel/oidc, a certified OpenID
 * Provider in Go, as prerequisites.ts builds it. Its issuer ends in a slash, and it keeps its people in a file.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page, PlainBrowser } from '../browsers/plain-browser.ts';
import { freePort } from '../ports.ts';
import { findProgram, ZITADEL_OIDC } from '../programs.ts';
import { until } from '../until.ts';

const PASSWORD = 'a password of the provider';
const person = (id: string, first: string, last: string) => ({
  ID: id,
  Username: first.toLowerCase(),
  Password: PASSWORD,
  FirstName: first,
  LastName: last,
  Email: `${first.toLowerCase()}@example.com`,
  EmailVerified: true,
  PreferredLanguage: 'en',
});

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Why it cannot start here; `null` if it can. */
export const zitadelMissing = (): string | null =>
  findProgram([ZITADEL_OIDC]) === null
    ? 'the provider is not built: it needs Go 1.26 when test/support/prerequisites.ts runs'
    : null;

export class ZitadelProvider implements AsyncDisposable {
  readonly clientId = 'web';
  readonly clientSecret = 'secret';
  /** Of Ada. */
  readonly password = PASSWORD;
  readonly issuer: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  #output = '';

  private constructor(port: number, directory: string, redirectUris: readonly string[]) {
    this.issuer = `http://localhost:${port}/`;
    this.#directory = directory;
    const usersFile = join(directory, 'users.json');
    writeFileSync(usersFile, JSON.stringify({ 'id-ada': person('id-ada', 'Ada', 'Lovelace') }));
    const settings = { PORT: String(port), USERS_FILE: usersFile, REDIRECT_URI: redirectUris.join(',') };
    this.#child = spawn(ZITADEL_OIDC, [], { env: settings, stdio: ['ignore', 'ignore', 'pipe'] });
    running.add(this.#child);
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#output = `${this.#output}${chunk.toString()}`.slice(-10_000);
    });
  }

  /** Starts it, and waits until it answers. */
  static async start(redirectUris: readonly string[]): Promise<ZitadelProvider> {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-zitadel-'));
    const provider = new ZitadelProvider(await freePort(), directory, redirectUris);
    await until(() => provider.#isUp(), 'the provider answers').catch((error: unknown) => {
      throw new Error(provider.#output, { cause: error });
    });
    return provider;
  }

  /** Takes Ada from the login page back to the relying party. */
  logIn(browser: PlainBrowser, page: Page, password = PASSWORD): Promise<Page> {
    return browser.submit(page, { username: 'ada', password }, '/login/username');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await ended;
    running.delete(this.#child);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #isUp(): Promise<boolean> {
    if (this.#child.exitCode !== null) throw new Error('the provider ended');
    try {
      return (await fetch(`${this.issuer}.well-known/openid-configuration`)).ok;
    } catch {
      return false;
    }
  }
}
