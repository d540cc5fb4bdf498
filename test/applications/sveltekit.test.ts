/**
 * A1: an application of SvelteKit 3, built and served by its own commands, and the development server of Vite with hot module
 * replacement.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';
import { ApplicationStage } from './stage.ts';

const ROOT = join(import.meta.dirname, '../..');
const VITE = join(ROOT, 'node_modules/vite/bin/vite.js');

const FILES: Readonly<Record<string, string>> = {
  'package.json': '{ "private": true, "type": "module" }',
  'vite.config.js': `import { sveltekit } from '@sveltejs/kit/vite';
// SvelteKit's own version of "cookie" is bundled: from here, another one would be found.
export default { plugins: [sveltekit()], ssr: { noExternal: ['cookie'] } };`,
  'src/app.html':
    '<!doctype html><html><head>%sveltekit.head%</head><body data-sveltekit-preload-data="hover"><div>%sveltekit.body%</div></body></html>',
  'src/routes/+layout.svelte': `<script>let { children } = $props();</script>
<nav><a href="/">home</a> <a href="/slow">slow</a> <a href="/form">form</a> <a href="/items/9">item</a></nav>{@render children()}`,
  'src/routes/+page.svelte': '<h1>home</h1>',
  // The remedy of docs/how-to/put-an-application-behind-it.md.
  'src/routes/+error.svelte': `<script>
  import { page } from '$app/state';
  $effect(() => { if (page.status === 401) location.reload(); });
</script><h1>{page.status}</h1>`,
  'src/routes/slow/+page.server.js': `export const load = () => ({ late: new Promise((resolve) => { globalThis.release = () => resolve('late'); }) });`,
  'src/routes/slow/+page.svelte': `<script>let { data } = $props();</script><h1>slow</h1>
{#await data.late}<p id="wait">wait</p>{:then late}<p id="late">{late}</p>{/await}`,
  'src/routes/release/+server.js': `export const POST = () => { globalThis.release(); return new Response('released'); };`,
  'src/routes/form/+page.server.js': `import { redirect } from '@sveltejs/kit';
export const actions = {
  default: async ({ request, cookies }) => {
    const form = await request.formData();
    cookies.set('saved', form.get('t'), { path: '/', secure: false });
    redirect(303, '/items/' + form.get('t'));
  },
};`,
  'src/routes/form/+page.svelte': `<script>import { enhance } from '$app/forms';</script>
<form method="post" use:enhance><input name="t" value="7"><button>enhanced</button></form>
<form method="post"><input name="t" value="8"><button>plain</button></form>`,
  'src/routes/items/[id]/+page.server.js':
    'export const load = ({ params, cookies }) => ({ id: params.id, saved: cookies.get("saved") });',
  'src/routes/items/[id]/+page.svelte':
    '<script>let { data } = $props();</script><h1>item {data.id}, saved {data.saved}</h1>',
};

const directory = mkdtempSync(join(tmpdir(), 'sallyport-sveltekit-'));
beforeAll(() => {
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  for (const [file, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), content);
  }
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** One of Vite's servers. */
class Served implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(command: 'dev' | 'preview'): Promise<Served> {
    const port = await freePort();
    const args = [VITE, command, '--host', '127.0.0.1', '--port', String(port), '--strictPort'];
    const child = spawn(process.execPath, args, { cwd: directory, stdio: 'ignore' });
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`vite ${command} ended with ${child.exitCode}`);
      return await fetch(`http://127.0.0.1:${port}/`).then(
        ({ ok }) => ok,
        () => false,
      );
    }, `vite ${command} answers`);
    return new Served(port, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill();
    await exit;
  }
}

describe('A1: SvelteKit, built', () => {
  let served: Served;
  let stage: ApplicationStage;
  beforeAll(async () => {
    execFileSync(process.execPath, [VITE, 'build', '--logLevel', 'error'], { cwd: directory, stdio: 'pipe' });
    served = await Served.start('preview');
    stage = await ApplicationStage.start(served.port);
  }, 120_000);
  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  test('an idle page stops sending requests', async () => {
    await stage.page.goto(`${stage.origin}/`);
    await stage.page.waitForLoadState('networkidle');
    expect(stage.problems).toEqual([]);
  });

  test('a link fetches the data of the next page, and late data is streamed', async () => {
    await stage.page.goto(`${stage.origin}/`);
    await stage.page.click('text=slow');
    await stage.page.waitForSelector('#wait');
    await stage.page.evaluate(() => fetch('/release', { method: 'POST' }));
    await stage.page.waitForSelector('#late');
    expect(stage.problems).toEqual([]);
  });

  test.for([
    ['enhanced', 'item 7, saved 7'],
    ['plain', 'item 8, saved 8'],
  ] as const)('a form (%s) passes the origin checks of SvelteKit and of the gateway', async ([button, heading]) => {
    await stage.page.goto(`${stage.origin}/form`);
    await stage.page.click(`text=${button}`);
    await stage.page.getByRole('heading', { name: heading }).waitFor();
    expect(stage.problems).toEqual([]);
  });

  test('when the session has ended, a link leads to the login, and from there to its page', async () => {
    await stage.page.goto(`${stage.origin}/form`);
    await stage.endSession();
    await stage.page.click('text=item');
    await stage.page.waitForURL(/\/auth\/login/);
    await stage.logIn();
    await stage.page.getByRole('heading', { name: 'item 9' }).waitFor();
    expect(stage.path).toBe('/items/9');
  });
});

describe('A1: SvelteKit, in development', () => {
  test('a changed file reaches the page through the WebSocket of hot module replacement, without a reload', async () => {
    await using served = await Served.start('dev');
    await using stage = await ApplicationStage.start(served.port);
    const sockets: string[] = [];
    stage.page.on('websocket', (socket) => sockets.push(socket.url()));
    await stage.page.goto(`${stage.origin}/`);
    await until(() => sockets.length > 0, 'the WebSocket is opened');
    await stage.page.waitForLoadState('networkidle');
    await stage.page.evaluate(() => Object.assign(globalThis, { isSamePage: true }));
    writeFileSync(join(directory, 'src/routes/+page.svelte'), '<h1>changed</h1>');
    await stage.page.getByRole('heading', { name: 'changed' }).waitFor();
    expect(await stage.page.evaluate(() => 'isSamePage' in globalThis)).toBe(true);
    expect(sockets[0]).toMatch(`ws://localhost:${new URL(stage.origin).port}/`);
  }, 120_000);
});
