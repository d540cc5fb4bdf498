import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { MINIMAL } from '../config/support.ts';
import { Program } from './program.ts';
import { cli, temporaryFile } from './support.ts';

const WITH_WARNING = MINIMAL.replace('publicOrigin', 'upstreamToken: { lifetime: 10m }\npublicOrigin');
const BROKEN = MINIMAL.replace('credential: none', 'credential: nnoe');

test('a valid configuration exits with 0 and prints its hash', async () => {
  const { code, out, err } = await cli(['validate', '-'], { stdin: MINIMAL });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^-: valid, hash [0-9a-f]{12}, no problems\n$/);
});

test('an invalid configuration exits with 1 and shows the place', async () => {
  const { code, out } = await cli(['validate', '-'], { stdin: BROKEN });
  expect(code).toBe(1);
  expect(out).toContain('-:6:48  error  routes[0].credential must be none');
  expect(out).toContain('did you mean "none"?');
  expect(out).toMatch(/\n\n-: not valid, 1 error\n$/);
});

test('warnings pass, but not with --strict', async () => {
  expect((await cli(['validate', '-'], { stdin: WITH_WARNING })).code).toBe(0);
  expect((await cli(['validate', '--strict', '-'], { stdin: WITH_WARNING })).code).toBe(1);
  expect((await cli(['validate', '--strict', '-'], { stdin: MINIMAL })).code).toBe(0);
});

test('--format json prints the result for a program', async () => {
  const { code, out } = await cli(['validate', '--format', 'json', '-'], { stdin: WITH_WARNING });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    path: '-',
    valid: true,
    hash: expect.stringMatching(/^[0-9a-f]{12}$/),
    problems: [{ code: 'token/lifetime', severity: 'warning', line: 2, column: 28, path: 'upstreamToken.lifetime' }],
  });
});

test('--format github writes annotations to standard output, and nothing else', async () => {
  const path = temporaryFile('gateway.yaml', BROKEN);
  const { code, out, err } = await cli(['validate', '--format', 'github', path]);
  expect(code).toBe(1);
  for (const line of out.trim().split('\n'))
    expect(line).toMatch(/^::(?:error|warning) file=.*gateway\.yaml,line=\d+,col=\d+,endColumn=\d+,title=/);
  expect(err).toContain('not valid');
});

test('--no-files ignores missing files', async () => {
  const stdin = `${MINIMAL}login: { password: { usersFile: /nowhere/users.yaml } }\nacceptWarnings: [login/proxy-unknown]\n`;
  expect((await cli(['validate', '-'], { stdin })).out).toContain('names a file that does not exist');
  expect((await cli(['validate', '--no-files', '-'], { stdin })).code).toBe(0);
});

test('relative files are relative to the configuration, not to where the command runs', async () => {
  const path = temporaryFile(
    'gateway.yaml',
    `${MINIMAL}login: { password: { usersFile: users.yaml } }\nacceptWarnings: [login/proxy-unknown]\n`,
  );
  writeFileSync(join(dirname(path), 'users.yaml'), 'users: []\n', { mode: 0o600 });
  expect((await cli(['validate', path], { cwd: '/' })).out).toContain('valid, hash');
});

test('bytes that are not UTF-8 are reported in one clear line', async () => {
  const path = temporaryFile('gateway.yaml', '');
  writeFileSync(path, Buffer.from([0x61, 0xff, 0x62]));
  expect(await cli(['validate', path])).toEqual({ code: 1, out: '', err: `${path}: is not UTF-8 text\n` });
});

test('references come from the environment of the program', async () => {
  const stdin = MINIMAL.replace('127.0.0.1:8080', '"127.0.0.1:${SOME_PORT}"');
  const program = new Program(['validate', '-'], { stdin, env: { SOME_PORT: '8080' } });
  expect(await program.ended).toBe(0);
  expect(program.out).toContain('valid, hash');
});
