/** `npm run dev`: the demo, which picks up a contributor's changes. */

import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const copy = mkdtempSync(join(tmpdir(), 'sallyport-dev-'));
let dev: ChildProcess;
let port: number;
let output = '';

beforeAll(async () => {
  for (const path of ['src', 'demo', 'package.json']) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const { scripts } = JSON.parse(readFileSync(join(copy, 'package.json'), 'utf8')) as { scripts: { dev: string } };
  const [, ...args] = scripts.dev.split(' ');
  port = await freePort();
  dev = spawn(process.execPath, args, {
    cwd: copy,
    env: { ...process.env, PORT: String(port), ADMIN_PORT: String(await freePort()) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  dev.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await until(() => starts() === 1, 'the demo is ready');
});

afterAll(async () => {
  const ended = new Promise((resolve) => dev.once('close', resolve));
  dev.kill('SIGTERM');
  await ended;
  rmSync(copy, { recursive: true, force: true });
});

const starts = () => output.split('is ready after').length - 1;

async function statusOf(path: string): Promise<number> {
  return (await rawRequest(port, requestHead('GET', path, [`Host: localhost:${port}`]))).status;
}

function edit(path: string, from: string, to: string): void {
  const text = readFileSync(join(copy, path), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(copy, path), text.replaceAll(from, to));
}

test('a changed configuration takes effect without a restart, and the log says so', async () => {
  expect(await statusOf('/changed')).toBe(404);
  edit('demo/sallyport.yaml', 'path: /public ', 'path: /changed ');
  await until(async () => (await statusOf('/changed')) === 200, 'the changed route answers');
  expect(starts()).toBe(1);
  await until(() => output.includes('"route":"public"'), 'the request is in the log');
});

test('a changed source file restarts the demo', async () => {
  edit('demo/upstream.ts', 'Hello, whoever you are.', 'Hello again.');
  await until(() => starts() === 2, 'the demo is ready again');
  const answer = await rawRequest(port, requestHead('GET', '/changed', [`Host: localhost:${port}`]));
  expect(JSON.parse(answer.body.toString())).toMatchObject({ message: 'Hello again.' });
});
