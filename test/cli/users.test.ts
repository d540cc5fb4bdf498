import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/run.ts';
import { readPasswordHash, verifyPasswordSync } from '../../src/endpoints/login/password/hash.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { MINIMAL } from '../config/support.ts';
import { cli, temporaryDirectory, temporaryFile } from './support.ts';

const PASSWORD = 'correct horse battery staple';

interface Written {
  readonly users: { readonly name: string; readonly passwordHash: string }[];
}
const read = (path: string) => parse(readFileSync(path, 'utf8')) as Written;
const hasPassword = (path: string, name: string, password: string) => {
  const { passwordHash = '' } = read(path).users.find((user) => user.name === name) ?? {};
  const stored = readPasswordHash(passwordHash);
  return stored !== null && verifyPasswordSync(password, stored);
};

test('a user is added with an Argon2id hash of the password from standard input', async () => {
  const path = join(temporaryDirectory(), 'users.yaml');
  const { code, out, err } = await cli(
    [
      'users',
      'add',
      'alice',
      '--file',
      path,
      '--role',
      'customer',
      '--role',
      'admin',
      '--email',
      'a@example.com',
      '--attribute',
      'tier=gold',
    ],
    { stdin: `${PASSWORD}\n` },
  );
  expect({ code, out, err }).toEqual({ code: 0, out: `"alice" added to ${path}\n`, err: '' });
  expect(read(path)).toMatchObject({
    users: [{ name: 'alice', email: 'a@example.com', roles: ['customer', 'admin'], attributes: { tier: 'gold' } }],
  });
  expect(read(path).users[0]?.passwordHash).toMatch(/^\$argon2id\$v=19\$m=65536,t=3,p=1\$/);
  expect(hasPassword(path, 'alice', PASSWORD)).toBe(true);
  expect(hasPassword(path, 'alice', `${PASSWORD}\n`)).toBe(false);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('comments in the file and other users are kept', async () => {
  const path = join(temporaryDirectory(), 'users.yaml');
  await cli(['users', 'add', 'alice', '--file', path], { stdin: PASSWORD });
  writeFileSync(path, `# our people\n${readFileSync(path, 'utf8')}  # more to come\n`);
  await cli(['users', 'add', 'bob', '--file', path], { stdin: 'another password' });
  const text = readFileSync(path, 'utf8');
  expect(text).toContain('# our people');
  expect(text).toContain('# more to come');
  expect((await cli(['users', 'list', '--file', path])).out).toBe(
    'NAME   SUBJECT  EMAIL  ROLES\nalice  alice    -      -\nbob    bob      -      -\n',
  );
  await cli(['users', 'remove', 'alice', '--file', path]);
  expect(read(path).users.map(({ name }) => name)).toEqual(['bob']);
  expect(readFileSync(path, 'utf8')).toContain('# our people');
});

test('only --replace changes an existing user, who keeps what is not given', async () => {
  const path = join(temporaryDirectory(), 'users.yaml');
  await cli(['users', 'add', 'alice', '--file', path, '--role', 'customer'], { stdin: PASSWORD });
  const refused = await cli(['users', 'add', 'alice', '--file', path], { stdin: 'another password' });
  expect(refused).toMatchObject({ code: 1, err: `${path}: "alice" already exists: --replace sets a new password\n` });
  expect(hasPassword(path, 'alice', PASSWORD)).toBe(true);
  await cli(['users', 'add', 'alice', '--file', path, '--replace'], { stdin: 'another password' });
  expect(hasPassword(path, 'alice', 'another password')).toBe(true);
  expect(read(path).users).toMatchObject([{ name: 'alice', roles: ['customer'] }]);
  const missing = await cli(['users', 'add', 'carol', '--file', path, '--replace'], { stdin: PASSWORD });
  expect(missing).toMatchObject({ code: 1, err: `${path}: there is no user "carol"\n` });
});

test.each([
  ['a short password', 'seven77', 'a password needs at least 8 characters\n'],
  ['no password', '', 'a password needs at least 8 characters\n'],
  ['a password that is too long', 'x'.repeat(1_025), 'a password can have at most 1024 bytes\n'],
])('%s is refused, and no file is written', async (_title, stdin, err) => {
  const path = join(temporaryDirectory(), 'users.yaml');
  expect(await cli(['users', 'add', 'alice', '--file', path], { stdin })).toMatchObject({ code: 1, err });
  expect(existsSync(path)).toBe(false);
});

test('a file with a mistake is not changed', async () => {
  const text = 'users:\n  - { name: alice, passwordHash: nonsense }\n';
  const path = temporaryFile('users.yaml', text);
  const { code, err } = await cli(['users', 'add', 'bob', '--file', path], { stdin: PASSWORD });
  expect(code).toBe(1);
  expect(err).toContain(`${path}:2:34`);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('an attribute that a users file does not accept is refused, and the file stays unchanged', async () => {
  const path = temporaryFile('users.yaml', 'users: []\n');
  const { code, err } = await cli(['users', 'add', 'bob', '--file', path, '--attribute', 'roles=root'], {
    stdin: PASSWORD,
  });
  expect(code).toBe(1);
  expect(err).toContain('must not contain email, displayName or roles');
  expect(readFileSync(path, 'utf8')).toBe('users: []\n');
});

test('the users file comes from the configuration', async () => {
  const path = temporaryFile('gateway.yaml', `${MINIMAL}login: { password: { usersFile: people.yaml } }\n`);
  expect((await cli(['users', 'add', 'alice', '-c', path], { stdin: PASSWORD })).code).toBe(0);
  expect((await cli(['users', 'list', '-c', path, '--json'])).out).toContain('"alice"');
});

test('list shows no hash', async () => {
  const path = join(temporaryDirectory(), 'users.yaml');
  await cli(['users', 'add', 'alice', '--file', path], { stdin: PASSWORD });
  for (const argv of [[], ['--json']])
    expect((await cli(['users', 'list', '--file', path, ...argv])).out).not.toContain('argon2');
});

/** Runs `users add` on a terminal that types one answer to each question. */
async function typed(...answers: string[]) {
  const path = join(temporaryDirectory(), 'users.yaml');
  const rawModes: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (isRaw: boolean) => rawModes.push(isRaw) });
  let [out, err] = ['', ''];
  const code = await runCli(['users', 'add', 'alice', '--file', path], {
    stdin,
    stdout: { write: (text) => (out += text) },
    stderr: {
      write: (text) => {
        err += text;
        if (text.endsWith(': ')) stdin.write(answers.shift() ?? '\u0004');
      },
    },
    env: {},
    cwd: '/',
    clocks: systemClocks,
    startedAtMs: 0,
  });
  return { path, code, out, err, rawModes };
}

test('on a terminal the password is asked for twice and not shown', async () => {
  const { path, code, out, err, rawModes } = await typed(`${PASSWORD}x\u007f\r`, `${PASSWORD}\r`);
  expect(code).toBe(0);
  expect(out + err).not.toContain(PASSWORD);
  expect(rawModes).toEqual([true, false, true, false]);
  expect(hasPassword(path, 'alice', PASSWORD)).toBe(true);
});

test('the password is asked for again after two different answers, or a short one', async () => {
  const answers = ['short\r', `${PASSWORD}\r`, 'something else\r', `${PASSWORD}\r`, `${PASSWORD}\r`];
  const { path, code, err } = await typed(...answers);
  expect([code, err]).toEqual([
    0,
    [
      'Password: \na password needs at least 8 characters\n',
      'Password: \nPassword again: \nthe passwords differ\n',
      'Password: \nPassword again: \n',
    ].join(''),
  ]);
  expect(hasPassword(path, 'alice', PASSWORD)).toBe(true);
});

test('giving up after two different answers writes nothing', async () => {
  const { path, code, err } = await typed(`${PASSWORD}\r`, 'something else\r');
  expect(code).toBe(1);
  expect(err).toMatch(/the passwords differ\nPassword: \nno password was given\n$/);
  expect(existsSync(path)).toBe(false);
});

test('Ctrl-C cancels, and the terminal echoes input again', async () => {
  const { code, err, rawModes } = await typed('abc\u0003');
  expect(code).toBe(1);
  expect(err).toMatch(/no password was given\n$/);
  expect(rawModes).toEqual([true, false]);
});
