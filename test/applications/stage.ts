/**
 * An application behind a gateway, in a real Chromium: all requests of the page go through the gateway, with a session of
 * alice.
 */

import type { Page } from 'playwright-core';
import { LoginStage, PASSWORD } from '../endpoints/login/fixture.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { freePort } from '../support/ports.ts';

export class ApplicationStage implements AsyncDisposable {
  readonly origin: string;
  readonly page: Page;
  /** What went wrong in the page: errors of its scripts, and answers of 400 and above. */
  readonly problems: string[] = [];
  readonly #stage: LoginStage;
  readonly #browser: TestBrowser;

  private constructor(origin: string, page: Page, stage: LoginStage, browser: TestBrowser) {
    this.origin = origin;
    this.page = page;
    this.#stage = stage;
    this.#browser = browser;
    page.on('pageerror', ({ message }) => this.problems.push(message));
    page.on('response', (response) => {
      const isIcon = response.url().endsWith('/favicon.ico');
      if (response.status() >= 400 && !isIcon) this.problems.push(`${response.status()} ${response.url()}`);
    });
  }

  /** Puts the application on this port behind a gateway, and logs alice in. */
  static async start(applicationPort: number): Promise<ApplicationStage> {
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    const stage = await LoginStage.start({
      upstream: `http://127.0.0.1:${applicationPort}`,
      routes: [{ id: 'app', match: { path: '/' }, credential: 'session' }],
      config: {
        publicOrigin: origin,
        listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
      },
    });
    const browser = await TestBrowser.share();
    const { page } = await browser.profile();
    const application = new ApplicationStage(origin, page, stage, browser);
    await page.goto(`${origin}/`);
    await application.logIn();
    await page.waitForURL(`${origin}/`);
    return application;
  }

  /** Fills in and submits the login page. */
  async logIn(): Promise<void> {
    await this.page.getByLabel('User name').fill('alice');
    await this.page.getByLabel('Password').fill(PASSWORD);
    await this.page.getByRole('button', { name: 'Log in' }).click();
  }

  /** Ends the session, as an operator would. */
  async endSession(): Promise<void> {
    await this.#stage.gateway.gateway.sessions.endAll('alice', 'operator');
  }

  /** Where the page is, on its origin. */
  get path(): string {
    return this.page.url().slice(this.origin.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser[Symbol.asyncDispose]();
    await this.#stage[Symbol.asyncDispose]();
  }
}
