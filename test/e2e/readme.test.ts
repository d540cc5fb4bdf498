/** The README's own configuration, on one machine: created, started and operated by the commands that it shows. */

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DocumentedCommands } from '../support/documented-commands.ts';
import { freePort } from '../support/ports.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const [, config = ''] = /^```yaml\n(version: 1\n[\s\S]*?)^```$/m.exec(README) ?? [];
const [, preparation = ''] = /^```sh\n(sallyport init\n)sallyport start\n```$/m.exec(README) ?? [];
const [, people = ''] = /^```sh\n(sallyport users add alice[\s\S]*?)^```$/m.exec(README) ?? [];
const [, operation = ''] = /^```sh\n(sallyport sessions list alice\n[\s\S]*?)```$/m.exec(README) ?? [];

const commands = new DocumentedCommands();
let port: number;
let upstream: Server;
let cookie: string;
let authorization = '';

/** Runs a script of the README, and stops when a command fails. */
const shell = (script: string) => commands.shell(`set -e\n${script}`);

beforeAll(async () => {
  upstream = createServer((request, response) => {
    authorization = request.headers.authorization ?? '';
    response.end('hello');
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  port = await freePort();
  const ported = config
    .replaceAll(':8080', `:${port}`)
    .replaceAll(':9090', `:${await freePort()}`)
    .replaceAll(':3000', `:${(upstream.address() as AddressInfo).port}`);
  shell(preparation);
  commands.write('sallyport.yaml', ported);
  shell(people);
  await commands.start();
});

afterAll(async () => {
  await commands[Symbol.asyncDispose]();
  upstream.closeAllConnections();
  upstream.close();
});

async function answerTo(method: string, path: string, headers: readonly string[], body = '') {
  const fields = [`Host: localhost:${port}`, ...headers, ...(body === '' ? [] : [`Content-Length: ${body.length}`])];
  return await rawRequest(port, `${requestHead(method, path, fields)}${body}`);
}

test('a user can log in at localhost, and the service gets a token', async () => {
  const body = JSON.stringify({ username: 'alice', password: commands.password });
  const login = await answerTo('POST', '/auth/login', ['Content-Type: application/json'], body);
  expect(login.status).toBe(200);
  cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  expect((await answerTo('GET', '/api/orders', [`Cookie: ${cookie}`])).status).toBe(200);
  expect(authorization).toMatch(/^Bearer /);
});

test('a POST needs the Origin that the README shows, and gets 403 without it', async () => {
  const bare = await answerTo('POST', '/api/orders', [`Cookie: ${cookie}`, 'Content-Length: 0']);
  expect([bare.status, (JSON.parse(bare.body.toString()) as { reason: string }).reason]).toEqual([
    403,
    'origin_forbidden',
  ]);
  const [, origin = ''] = /-X POST -H 'Origin: ([^']+)'/.exec(README) ?? [];
  const told = await answerTo('POST', '/api/orders', [
    `Cookie: ${cookie}`,
    `Origin: ${origin.replace(':8080', `:${port}`)}`,
    'Content-Length: 0',
  ]);
  expect(told.status).toBe(200);
});

test('an operator lists and ends the sessions of a user, and revokes a token', async () => {
  commands.write('token', authorization.replace('Bearer ', ''));
  const output = shell(operation);
  expect(output).toMatch(/^HANDLE +METHOD/);
  expect((await answerTo('GET', '/api/orders', [`Cookie: ${cookie}`])).status).toBe(401);
});
