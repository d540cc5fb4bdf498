/**
 * A real Chromium, headless, with connections to loopback only.
 */

import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { CHROMIUM_PATHS, findProgram } from '../programs.ts';

/** A last resort, far longer than a page takes on a machine that is busy with other work; Playwright's own is 30 s. */
const TIMEOUT_MS = 150_000;

/** Chromium's own background requests would only fail here, many at a time. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Text in shades of one colour, so that screenshots are small.
  '--disable-lcd-text',
];

interface Profile {
  readonly context: BrowserContext;
  readonly page: Page;
}

let ofThisProcess: Promise<Browser> | null = null;

/** A browser of one test, or its share of one. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #isShared: boolean;
  readonly #contexts: BrowserContext[] = [];
  #reused: Profile | null = null;

  private constructor(browser: Browser, isShared: boolean) {
    this.#browser = browser;
    this.#isShared = isShared;
  }

  /**
   * The browser of this process, which all of its test files share, since a launch takes a second. It ends with the
   * process; disposing of a share closes the profiles that were created through it.
   */
  static async share(): Promise<TestBrowser> {
    const isUsable = (await ofThisProcess)?.isConnected() === true;
    if (!isUsable) ofThisProcess = launch([]);
    return new TestBrowser(await (ofThisProcess as Promise<Browser>), true);
  }

  /** @param args  additional command-line arguments */
  static async launch(args: readonly string[] = []): Promise<TestBrowser> {
    return new TestBrowser(await launch(args), false);
  }

  /**
   * A profile without cookies that the next call reuses: for tests that need one at a time. Each new profile costs most
   * of a second of CPU, for its processes.
   */
  async emptyProfile(): Promise<Profile> {
    if (this.#reused?.page.isClosed() !== false) this.#reused = await this.profile();
    const { context, page } = this.#reused;
    await context.clearCookies();
    for (const other of context.pages()) if (other !== page) await other.close();
    for (const name of ['console', 'request'] as const) page.removeAllListeners(name);
    await page.goto('about:blank');
    return this.#reused;
  }

  /** A separate browser profile, which shares no cookies with others. */
  async profile(options: BrowserContextOptions = {}): Promise<Profile> {
    const context = await this.#browser.newContext(options);
    this.#contexts.push(context);
    context.setDefaultTimeout(TIMEOUT_MS);
    return { context, page: await context.newPage() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    if (!this.#isShared) await this.#browser.close();
  }
}

function launch(args: readonly string[]): Promise<Browser> {
  const executablePath = findProgram(CHROMIUM_PATHS);
  if (executablePath === null) throw new Error('Chromium is not installed; run: node test/support/prerequisites.ts');
  return chromium.launch({ executablePath, timeout: TIMEOUT_MS, headless: true, args: [...QUIET, ...args] });
}
