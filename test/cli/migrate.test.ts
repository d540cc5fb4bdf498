import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { MINIMAL } from '../config/support.ts';
import { cli, temporaryDirectory, temporaryFile } from './support.ts';

const PRESENT = MINIMAL.replace('upstream: app }', 'upstream: app,  maxBodyBytes: 1MiB } # uploads');
const FORMER = PRESENT.replace('maxBodyBytes', 'bodyLimit');
const FOUND = 'routes[0].bodyLimit is now routes[0].maxBodyBytes';

test('migrate rewrites the file in place, keeps its permissions, and leaves no other file', async () => {
  const path = temporaryFile('sallyport.yaml', FORMER);
  chmodSync(path, 0o640);
  const { code, out, err } = await cli(['migrate', path]);
  expect({ code, out, err }).toEqual({ code: 0, out: `${path}:6:70: ${FOUND}\n${path}: rewritten\n`, err: '' });
  expect(readFileSync(path, 'utf8')).toBe(PRESENT);
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(dirname(path))).toEqual(['sallyport.yaml']);
});

test('a second run changes nothing', async () => {
  const path = temporaryFile('sallyport.yaml', PRESENT);
  const before = statSync(path).ino;
  const { code, out } = await cli(['migrate', path]);
  expect({ code, out }).toEqual({ code: 0, out: `${path}: nothing to replace\n` });
  expect(statSync(path).ino).toBe(before);
});

test('without a file, it rewrites the one that the environment names, through a link too', async () => {
  const path = temporaryFile('sallyport.yaml', FORMER);
  const link = join(temporaryDirectory(), 'current.yaml');
  symlinkSync(path, link);
  expect((await cli(['migrate'], { env: { SALLYPORT_CONFIG: link } })).code).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(PRESENT);
  expect(readFileSync(link, 'utf8')).toBe(PRESENT);
});

test('--at names the place of the configuration in the file', async () => {
  const values = (text: string) => `replicas: 2 # three are too many\nconfig:\n${text.replace(/^/gm, '  ')}`;
  const { code, out } = await cli(['migrate', '--at', 'config', '-'], { stdin: values(FORMER) });
  expect({ code, out }).toEqual({ code: 0, out: values(PRESENT) });
  expect((await cli(['migrate', '-'], { stdin: values(FORMER) })).out).toBe(values(FORMER));
});

test('standard input goes to standard output, and the report to standard error', async () => {
  const { code, out, err } = await cli(['migrate', '-'], { stdin: FORMER });
  expect({ code, out, err }).toEqual({ code: 0, out: PRESENT, err: `-:6:70: ${FOUND}\n-: rewritten\n` });
  expect((await cli(['migrate', '-'], { stdin: PRESENT })).out).toBe(PRESENT);
});

test('--check writes nothing, and fails if there is something to replace', async () => {
  const path = temporaryFile('sallyport.yaml', FORMER);
  const { code, out } = await cli(['migrate', '--check', path]);
  expect({ code, out }).toEqual({ code: 1, out: `${path}:6:70: ${FOUND}\n${path}: has 1 former name\n` });
  expect(readFileSync(path, 'utf8')).toBe(FORMER);
  expect((await cli(['migrate', '--check', '-'], { stdin: PRESENT })).code).toBe(0);
  expect((await cli(['migrate', '--check', '-'], { stdin: FORMER })).out).toBe('');
});

test('a file that cannot be rewritten stays unchanged, and the error names the place', async () => {
  const both = FORMER.replace('credential: none', 'credential: none, maxBodyBytes: 2MiB');
  const path = temporaryFile('sallyport.yaml', both);
  const { code, out, err } = await cli(['migrate', path]);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain(`${path}:6:90  error  routes[0].bodyLimit is the former name of routes[0].maxBodyBytes`);
  expect(readFileSync(path, 'utf8')).toBe(both);
});

test('no line that is shown contains a secret of the file', async () => {
  const secret = `store: { redis: { url: "redis://:hunter2@redis:6379" } }\n`;
  const both = FORMER.replace('credential: none', 'credential: none, maxBodyBytes: 2MiB').replace(
    'routes:',
    `${secret}routes:`,
  );
  const { out, err } = await cli(['migrate', '-'], { stdin: both });
  expect(`${out}${err}`).not.toContain('hunter2');
});

test('validate names the present key and the command, but accepts the file', async () => {
  const { code, out } = await cli(['validate', '-'], { stdin: FORMER });
  expect(code).toBe(0);
  expect(out).toContain(`-:6:70  warning  ${FOUND}  [config/renamed-key]`);
  expect(out).toContain('^^^^^^^^^ "sallyport migrate" rewrites it');
  expect((await cli(['validate', '--strict', '-'], { stdin: FORMER })).code).toBe(1);
});

test('explain gives the same answer for a former name and the present one', async () => {
  const explained = async (text: string) =>
    (await cli(['explain', '--config', '-', 'POST', 'https://shop.example.com/'], { stdin: text })).out.replace(
      /x-request-id: .*/,
      '',
    );
  expect(await explained(FORMER)).toBe(await explained(PRESENT));
  expect(await explained(FORMER)).toContain('at most 1MiB');
});
