/** A person at a terminal and in a real Chromium: the real program, and the pages that authorize the terminal. */

import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { systemClocks } from '../../src/lib/clock.ts';
import { Program } from '../cli/program.ts';
import { temporaryDirectory } from '../cli/support.ts';
import { CommandLineStage, newAttempt } from '../endpoints/command-line/fixture.ts';
import { PASSWORD } from '../endpoints/login/fixture.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { axeProblems, widthOf } from '../support/pages/checks.ts';
import { freePort } from '../support/ports.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

let browser: TestBrowser;
let upstream: RecordingUpstream;
let stage: CommandLineStage;
let origin: string;

beforeAll(async () => {
  browser = await TestBrowser.share();
  upstream = await RecordingUpstream.start();
  const port = await freePort();
  origin = `http://localhost:${port}`;
  stage = await CommandLineStage.start({
    upstream: upstream.origin,
    routes: [{ id: 'api', match: { path: '/api' }, credential: { service: ['ourselves'] } }],
    // The real program uses the real clock.
    clocks: systemClocks,
    config: {
      publicOrigin: origin,
      listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
      issuers: { ourselves: { own: {} } },
    },
  });
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await stage[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** A separate browser, in which alice logs in when asked. */
async function newPage(options: Parameters<TestBrowser['profile']>[0] = {}): Promise<Page> {
  const { context, page } = await browser.profile(options);
  onTestFinished(() => context.close());
  return page;
}

async function logIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
}

async function shown(program: Program, pattern: RegExp): Promise<string> {
  await until(() => pattern.test(program.err) || program.process.exitCode !== null, 'the terminal shows it');
  return pattern.exec(program.err)?.[1] ?? '';
}

test('logs in through the browser, calls an API, and logs out', async () => {
  const env = { XDG_CONFIG_HOME: join(temporaryDirectory(), 'config') };
  const login = new Program(['login', origin, '--no-browser'], { env });
  const page = await newPage();
  await page.goto(await shown(login, /^(http:\S+)$/m));
  await logIn(page);
  await page.getByRole('heading', { name: 'Authorize the command line?' }).waitFor();
  // The answer to the form redirects to the program, which the page's policy has to allow.
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByRole('heading', { name: 'Go back to the terminal' }).waitFor();
  expect(await login.ended).toBe(0);
  expect(login.out).toBe(`logged in to ${origin}\n`);

  const get = new Program(['token', 'get', origin], { env });
  expect(await get.ended).toBe(0);
  const answer = await fetch(`${origin}/api`, { headers: { Authorization: `Bearer ${get.out.trim()}` } });
  expect(answer.status).toBe(200);

  await page.goto(`${origin}/auth/sessions`);
  await page.getByText('sallyport on Linux').waitFor();
  expect(await new Program(['logout', origin], { env }).ended).toBe(0);
  await page.reload();
  expect(await page.getByText('sallyport on Linux').count()).toBe(0);
});

test('logs in a terminal by its user code', async () => {
  const env = { XDG_CONFIG_HOME: join(temporaryDirectory(), 'config') };
  const login = new Program(['login', origin, '--device'], { env });
  const page = await newPage();
  await page.goto(await shown(login, /^Go to (\S+)/m));
  await logIn(page);
  await page.getByLabel('Code').fill(await shown(login, /^ {2}([A-Z-]{9})$/m));
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('heading', { name: 'Authorize this terminal?' }).waitFor();
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByRole('heading', { name: 'The terminal is logged in' }).waitFor();
  expect(await login.ended).toBe(0);
});

test('clickjacking: another site cannot show the consent page in a frame', async () => {
  const page = await newPage();
  await page.goto(`${origin}/auth/login`);
  await logIn(page);
  const address = `${origin}/auth/authorize?${new URLSearchParams(newAttempt().parameters)}`;
  await page.setContent(`<iframe src="${address}"></iframe>`);
  await until(() => page.frames().length > 1, 'the frame is loaded');
  await until(() => page.frames()[1]?.url().startsWith('chrome-error:') === true, 'the frame was refused');
});

test('the pages fit 320 pixels, and have no accessibility problem that axe finds, in light and dark colours', async () => {
  const page = await newPage({ viewport: { width: 320, height: 640 } });
  await page.goto(`${origin}/auth/login`);
  await logIn(page);
  const { userCode } = await device();
  const visits: Readonly<Record<string, () => Promise<unknown>>> = {
    consent: () => page.goto(`${origin}/auth/authorize?${new URLSearchParams(newAttempt().parameters)}`),
    code: () => page.goto(`${origin}/auth/device`),
    'wrong code': async () => {
      await page.getByLabel('Code').fill('BBBB-BBBB');
      await page.getByRole('button', { name: 'Continue' }).click();
    },
    device: async () => {
      await page.getByLabel('Code').fill(userCode);
      await page.getByRole('button', { name: 'Continue' }).click();
    },
    decided: () => page.getByRole('button', { name: 'Refuse' }).click(),
  };
  for (const [what, visit] of Object.entries(visits)) {
    await visit();
    expect([what, await axeProblems(page), await widthOf(page)]).toEqual([what, { light: [], dark: [] }, 320]);
  }
});

async function device(): Promise<{ userCode: string }> {
  const body = new URLSearchParams({ client_id: 'sallyport' });
  const answer = await fetch(`${origin}/auth/device_authorization`, { method: 'POST', body });
  return { userCode: ((await answer.json()) as { user_code: string }).user_code };
}
