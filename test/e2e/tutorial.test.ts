/** docs/tutorial/on-a-laptop.md, step by step: its commands, in its order, with the program and curl. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blocksOf } from '../docs/blocks.ts';
import { DocumentedCommands } from '../support/documented-commands.ts';
import { freePort } from '../support/ports.ts';
import { findProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const PATH = 'docs/tutorial/on-a-laptop.md';
const CONFIG = 'sallyport.yaml';
const blocks = blocksOf(PATH, readFileSync(join(import.meta.dirname, '../..', PATH), 'utf8'));
const application = blocks.find(({ language }) => language === 'js')?.text ?? '';
const route = blocks.find(({ language }) => language === 'yaml')?.text ?? '';
const scripts = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text);
const scriptWith = (text: string): string => {
  const found = scripts.find((script) => script.includes(text));
  if (found === undefined) throw new Error(`${PATH} has no command with ${text}`);
  return found;
};

describe.skipIf(findProgram(['curl']) === null)('the tutorial on a laptop (needs curl)', () => {
  const commands = new DocumentedCommands();
  const ports = { 3000: 0, 8080: 0, 9090: 0 };

  const ported = (text: string) =>
    Object.entries(ports).reduce((result, [port, free]) => result.replaceAll(`:${port}`, `:${free}`), text);
  /** What a script prints, on ports that are free here. */
  const shell = (script: string) => commands.shell(ported(script));

  beforeAll(async () => {
    for (const port of [3000, 8080, 9090] as const) ports[port] = await freePort();
    commands.write('app.mjs', ported(application).replace('listen(3000', `listen(${ports[3000]}`));
    commands.node('app.mjs');
    shell(scriptWith('sallyport init'));
    commands.write(CONFIG, ported(commands.read(CONFIG)));
    await commands.start();
  });

  afterAll(() => commands[Symbol.asyncDispose]());

  test('4: a request without a key gets 401, with the reason that the page names', () => {
    const answer = shell(scriptWith('curl -i http://localhost:8080/orders'));
    expect(answer).toContain('401 Unauthorized');
    expect(answer).toContain('"reason":"credential_missing"');
  });

  test('5: the login sets the cookie, and the application gets a token instead', () => {
    const login = shell(scriptWith('/auth/login').replace('"PASSWORD"', `"${commands.password}"`));
    expect(login).toMatch(/set-cookie: (?:__Host-)?sid=/i);
    const answer = JSON.parse(shell(scriptWith('curl -b cookies.txt http://localhost:8080/orders\n'))) as object;
    expect(answer).toEqual({ path: '/orders', authorization: expect.stringMatching(/^Bearer ey/) });
    const claims = shell(scriptWith('node -pe'));
    expect(claims).toMatch(/sub: 'alice'/);
    expect(claims).toMatch(/aud: 'app'/);
  });

  test('6: an added route applies automatically; explain and a request show what it does', async () => {
    commands.write(CONFIG, commands.read(CONFIG).replace('routes:\n', `routes:\n${route}`));
    await until(() => commands.output.includes('configuration reloaded'), 'the route is in use');
    expect(shell(scriptWith('sallyport explain'))).toMatch(/Verdict +refused/);
    const answer = shell(scriptWith('curl -i -b cookies.txt http://localhost:8080/reports'));
    expect(answer).toContain('403 Forbidden');
    expect(answer).toContain('"reason":"route_forbidden"');
    shell(scriptWith('--replace'));
  });

  test('8: an operator ends the session, and the cookie no longer works', () => {
    expect(shell(scriptWith('sallyport sessions revoke'))).toContain('"reason":"session_unknown"');
  });
});
