/**
 * A real Chromium, without a window and without a word to anybody but the loopback.
 */

import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { CHROMIUM_PATHS, findProgram } from './programs.ts';

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

export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** @param args  more arguments of the command line */
  static async launch(args: readonly string[] = []): Promise<TestBrowser> {
    const executablePath = findProgram(CHROMIUM_PATHS);
    if (executablePath === null) throw new Error('Chromium is not installed; run: node test/support/prerequisites.ts');
    return new TestBrowser(await chromium.launch({ executablePath, headless: true, args: [...QUIET, ...args] }));
  }

  /** A browser profile of its own: cookies are not shared with any other. */
  async profile(options: BrowserContextOptions = {}): Promise<{ context: BrowserContext; page: Page }> {
    const context = await this.#browser.newContext(options);
    return { context, page: await context.newPage() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
