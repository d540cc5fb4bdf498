import { rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readUsers, readUsersFile, UsersFile } from '../../../../src/endpoints/login/password/users-file.ts';
import { Files, USERS } from '../fixture.ts';

const HASH = '$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const user = (more: string) => `users:\n  - name: alice\n    passwordHash: ${HASH}\n${more}`;

describe('a users file', () => {
  test('gives each user a subject and attributes', () => {
    const users = readUsers(USERS, 'users.yaml');
    expect(users.find('alice')).toMatchObject({
      subject: 'alice',
      attributes: { email: 'alice@example.com', displayName: 'Alice', roles: ['customer'], tenant: 'acme' },
    });
    expect(users.find('bob')).toMatchObject({ subject: 'u-bob', attributes: { roles: [] } });
    expect(users.find('Alice')).toBeNull();
    expect(users.find('constructor')).toBeNull();
  });

  test('with an empty list has no users', () => {
    expect(readUsers('users: []', 'x').find('alice')).toBeNull();
  });

  test.each(['', '\n', '# nobody', '---\n', 'users:', 'users:\n', '{}'])(
    'R15: that is empty or half written (%j) is refused, not read as "no users"',
    (text) => {
      expect(() => readUsers(text, 'users.yaml')).toThrow(/^users\.yaml:\d+:\d+ .*users: \[\]/);
    },
  );

  test.each([
    ['an unknown key', user('    admin: true\n'), 'users.yaml:2:5 users[0] has the unknown key "admin"'],
    [
      'a plain password',
      'users:\n  - name: a\n    passwordHash: hunter2\n',
      'users.yaml:3:19 users[0].passwordHash is not',
    ],
    ['no hash', 'users:\n  - name: a\n', 'users.yaml:2:5 users[0].passwordHash is required'],
    [
      'a name twice',
      `${user('')}  - name: alice\n    passwordHash: ${HASH}\n    subject: b\n`,
      'users.yaml:4:11 users[1].name is the name of another user',
    ],
    [
      'a subject twice',
      `${user('')}  - name: b\n    subject: alice\n    passwordHash: ${HASH}\n`,
      'users.yaml:5:14 users[1].subject is the subject of another user',
    ],
    ['a name with a line break', 'users:\n  - name: "a\\nb"\n    passwordHash: x\n', 'users[0].name must be one line'],
    [
      'a name with a bidirectional control character',
      'users:\n  - name: "a\\u202eb"\n    passwordHash: x\n',
      'users[0].name must be one line',
    ],
    [
      'a name with spaces around it',
      'users:\n  - name: " a"\n    passwordHash: x\n',
      'users[0].name must not begin or end',
    ],
    [
      'roles among the attributes',
      user('    attributes: { roles: [admin] }\n'),
      'users.yaml:4:17 users[0].attributes must not contain',
    ],
    ['an attribute whose name has a space', user('    attributes: { "a b": 1 }\n'), 'users[0].attributes'],
    [
      'too many attributes',
      user(`    attributes: { x: "${'x'.repeat(2_048)}" }\n`),
      'users.yaml:2:5 users[0] has more than 2048 bytes',
    ],
    ['broken YAML', 'users:\n  - name: [\n', 'users.yaml:3:1'],
    ['a key twice', 'users: []\nusers: []\n', 'users.yaml:2:1 Map keys must be unique'],
  ])('with %s is refused, with its position', (_what, text, message) => {
    expect(() => readUsers(text, 'users.yaml')).toThrow(message);
  });

  test('is not quoted in errors, since it may contain a hash or password', () => {
    for (const text of ['users:\n  - passwordHash: "hunter2\n', 'users:\n  - name: a\n    passwordHash: hunter2\n']) {
      expect(() => readUsers(text, 'users.yaml')).toThrow(expect.not.stringContaining('hunter2'));
    }
  });

  test('reports all mistakes at once', () => {
    expect(() => readUsers('users:\n  - name: ""\n    passwordHash: x\n  - nam: b\n', 'f')).toThrow(
      /f:2.*\n.*f:3.*\n.*f:4/s,
    );
  });
});

describe('a stand-in for an unknown account', () => {
  const mixed = readUsers(
    `${user('')}  - name: bob\n    passwordHash: ${HASH.replace('m=65536,t=3', 'm=19456,t=2')}\n`,
    'x',
  );

  test('costs as much as some user, always the same for one name', () => {
    const names = Array.from({ length: 50 }, (_, index) => `stranger-${index}`);
    const costs = names.map((name) => mixed.standIn(name).stored.memoryKib);
    expect(new Set(costs)).toEqual(new Set([65_536, 19_456]));
    expect(names.map((name) => mixed.standIn(name).stored.memoryKib)).toEqual(costs);
  });

  test('has a hash that no user has', () => {
    const { stored } = readUsers(USERS, 'x').standIn('stranger');
    expect(stored.hash).toEqual(Buffer.alloc(32));
  });

  test('costs as much as a new hash when there are no users', () => {
    expect(readUsers('users: []', 'x').standIn('stranger').stored).toMatchObject({
      memoryKib: 65_536,
      passes: 3,
      lanes: 1,
    });
  });
});

const open = async (path: string, onProblem: (problem: string) => void) =>
  new UsersFile(path, await readUsersFile(path), onProblem);

describe('an open users file', () => {
  test('is reloaded when it changes, also by a swapped symbolic link as in Kubernetes', async () => {
    await using files = new Files();
    await files.write('one.yaml', USERS);
    await files.write('two.yaml', USERS.replaceAll('alice', 'carol'));
    const path = join(files.directory, 'users.yaml');
    await symlink('one.yaml', path);
    const file = await open(path, () => {});
    expect((await file.current()).find('alice')).not.toBeNull();
    await symlink('two.yaml', `${path}.new`);
    await rename(`${path}.new`, path);
    const users = await file.current();
    expect([users.find('alice'), users.find('carol')?.subject]).toEqual([null, 'carol']);
  });

  test('is not read again while it is unchanged', async () => {
    await using files = new Files();
    const file = await open(await files.write('users.yaml', USERS), () => {});
    expect(await file.current()).toBe(await file.current());
  });

  test('that becomes invalid is reported once per version, and the last valid one stays until it is fixed', async () => {
    await using files = new Files();
    const path = await files.write('users.yaml', USERS);
    const problems: string[] = [];
    const file = await open(path, (problem) => problems.push(problem));
    const good = await file.current();
    await writeFile(path, 'users: 1');
    expect([await file.current(), await file.current()]).toEqual([good, good]);
    expect(problems).toEqual([expect.stringContaining('users.yaml:1:8 users must be a list')]);
    await writeFile(path, `${USERS}# mended\n`);
    expect(await file.current()).not.toBe(good);
    await writeFile(path, 'users: 2 ');
    await file.current();
    expect(problems).toHaveLength(2);
  });

  test('that disappears keeps its users', async () => {
    await using files = new Files();
    const path = await files.write('users.yaml', USERS);
    const problems: string[] = [];
    const file = await open(path, (problem) => problems.push(problem));
    await rename(path, `${path}.gone`);
    expect((await file.current()).find('alice')).not.toBeNull();
    await file.current();
    expect(problems).toHaveLength(1);
    expect(await file.isUsable()).toBe(false);
    await rename(`${path}.gone`, path);
    expect(await file.isUsable()).toBe(true);
  });

  test('R15: that becomes empty keeps its users', async () => {
    await using files = new Files();
    const path = await files.write('users.yaml', USERS);
    const file = await open(path, () => {});
    await writeFile(path, '');
    expect((await file.current()).find('alice')).not.toBeNull();
    expect(await file.isUsable()).toBe(false);
  });

  test('cannot be missing or invalid at the start', async () => {
    await using files = new Files();
    await expect(open('/nowhere/users.yaml', () => {})).rejects.toThrow('/nowhere/users.yaml');
    const path = await files.write('users.yaml', 'nonsense');
    await expect(open(path, () => {})).rejects.toMatchObject({ name: 'ConfigFault' });
  });
});
