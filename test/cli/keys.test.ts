import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MINIMAL } from '../config/support.ts';
import { TestClocks } from '../support/clocks.ts';
import { cli, temporaryDirectory, temporaryFile } from './support.ts';

const MINUTE_MS = 60_000;

test('a key goes from next to active to retired, and is published until its last token expires', async () => {
  const directory = join(temporaryDirectory(), 'keys');
  const clocks = new TestClocks();
  const keys = (command: string, ...argv: string[]) =>
    cli(['keys', command, '--directory', directory, ...argv], { clocks });
  const states = async () =>
    (JSON.parse((await keys('list', '--json')).out) as { state: string; published: boolean }[]).map(
      ({ state, published }) => `${state}${published ? '' : ', not published'}`,
    );

  expect((await keys('generate')).out).toMatch(/^ES256 key [\w-]{43} in .*keys, signs from now on\n$/);
  expect(await states()).toEqual(['active']);
  clocks.advance(MINUTE_MS);
  expect((await keys('rotate')).code).toBe(0);
  expect(await states()).toEqual(['active', 'next']);
  clocks.advance(15 * MINUTE_MS);
  expect(await states()).toEqual(['retired', 'active']);
  clocks.advance(10 * MINUTE_MS);
  expect(await states()).toEqual(['retired, not published', 'active']);
});

test('only their owner can read key files', async () => {
  const directory = temporaryDirectory();
  await cli(['keys', 'generate', '--directory', directory]);
  const [name = ''] = readdirSync(directory);
  expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
});

test('generate refuses a directory with keys, and rotate one without', async () => {
  const directory = temporaryDirectory();
  const rotated = await cli(['keys', 'rotate', '--directory', directory]);
  expect(rotated).toMatchObject({ code: 1, err: `${directory} has no keys: use \`sallyport keys generate\`\n` });
  await cli(['keys', 'generate', '--directory', directory]);
  const again = await cli(['keys', 'generate', '--directory', directory]);
  expect(again).toMatchObject({ code: 1, err: `${directory} already has 1 key: use \`sallyport keys rotate\`\n` });
});

test('a second rotation waits for the first, except with --now', async () => {
  const directory = temporaryDirectory();
  const clocks = new TestClocks();
  const rotate = (...argv: string[]) => cli(['keys', 'rotate', '--directory', directory, ...argv], { clocks });
  await cli(['keys', 'generate', '--directory', directory], { clocks });
  await rotate();
  expect((await rotate()).err).toMatch(/^key \S+ is already due to sign from 2027-/);
  clocks.advance(1);
  expect((await rotate('--now')).out).toContain('signs from now on');
  const { out } = await cli(['keys', 'list', '--directory', directory], { clocks });
  expect(out.match(/retired|active|next/g)).toEqual(['retired', 'active', 'next']);
});

test('nothing changes while another process rotates', async () => {
  const directory = temporaryDirectory();
  await cli(['keys', 'generate', '--directory', directory]);
  writeFileSync(join(directory, 'rotation.lock'), String(Date.now()));
  const { code, err } = await cli(['keys', 'rotate', '--directory', directory]);
  expect({ code, err }).toEqual({ code: 1, err: `another process is rotating the keys in ${directory}: try again\n` });
});

test('directory and algorithm come from the configuration', async () => {
  const path = temporaryFile(
    'gateway.yaml',
    `${MINIMAL}upstreamToken: { algorithm: EdDSA, keys: { directory: keys, publishBefore: 1h } }\n`,
  );
  expect((await cli(['keys', 'generate', '-c', path])).out).toMatch(/^EdDSA key/);
  expect(JSON.parse((await cli(['keys', 'list', '-c', path, '--json'])).out)).toMatchObject([
    { algorithm: 'EdDSA', state: 'active' },
  ]);
  const { activatesAt } = JSON.parse((await cli(['keys', 'rotate', '-c', path, '--json'])).out) as {
    activatesAt: string;
  };
  expect(Date.parse(activatesAt) - Date.now()).toBeGreaterThan(55 * MINUTE_MS);
});

test('a configuration without a key directory is reported in one clear line', async () => {
  const { code, err } = await cli(['keys', 'list', '-c', '-'], { stdin: MINIMAL });
  expect({ code, err }).toEqual({
    code: 1,
    err: '-: upstreamToken.keys.directory is not set, so there are no keys on disk\n',
  });
});

test('a missing directory is reported in one clear line', async () => {
  const { code, err } = await cli(['keys', 'list', '--directory', '/nowhere/keys']);
  expect(code).toBe(1);
  expect(err).toBe('/nowhere/keys: no such directory\n');
});

test('a directory that cannot be written to is reported in one line', async () => {
  // No user can create a file in /proc.
  const { code, err } = await cli(['keys', 'rotate', '--directory', '/proc']);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^\/proc cannot be written to \(E[A-Z]+\)\n$/) });
});
