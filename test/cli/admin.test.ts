import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startInstance } from '../support/instance.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { cli, temporaryFile } from './support.ts';

const DEAD = 'http://127.0.0.1:9';

test('health exits with 0 while the gateway is alive, and 1 when nothing answers', async () => {
  await using instance = await startInstance();
  const url = `http://127.0.0.1:${instance.adminPort}`;
  expect(await cli(['health', '--admin-url', url])).toMatchObject({ code: 0, out: 'alive\n' });
  expect(await cli(['health', '--ready', '--json', '--admin-url', url])).toMatchObject({
    code: 0,
    out: '{"ok":true,"status":200}\n',
  });
  expect(await cli(['health', '--admin-url', DEAD])).toMatchObject({
    code: 1,
    err: `${DEAD}: nothing listens there\n`,
  });
});

test('health finds the admin listener through the environment or the configuration', async () => {
  await using instance = await startInstance();
  const env = { SALLYPORT_ADMIN_URL: `http://127.0.0.1:${instance.adminPort}` };
  expect((await cli(['health'], { env })).code).toBe(0);
  const stdin = `version: 1\npublicOrigin: https://a.example.com\nlisteners: { public: { address: 127.0.0.1:8080 }, admin: { address: 0.0.0.0:${instance.adminPort} } }\nupstreams: { app: { endpoints: [http://127.0.0.1:1] } }\nroutes: [{ id: a, match: { path: / }, credential: none, upstream: app }]\n`;
  expect((await cli(['health', '-c', '-'], { stdin, env: { SALLYPORT_ADMIN_URL: DEAD } })).code).toBe(0);
});

test('an operator lists the sessions of a user and ends them', async () => {
  await using instance = await startInstance();
  const { localGateway } = instance.instance;
  const open = async (subject: string) =>
    (
      await localGateway!.sessions.open({
        subject,
        user: {},
        method: 'password',
        device: `Browser\u001b[31m of ${subject}`,
      })
    ).sessionId;
  const [first, second, other] = [await open('alice'), await open('alice'), await open('bob')];
  const admin = [
    '--admin-url',
    `http://127.0.0.1:${instance.adminPort}`,
    '--token-file',
    `${instance.file.directory}/admin.token`,
  ];

  const listed = await cli(['sessions', 'list', 'alice', ...admin]);
  expect(listed.code).toBe(0);
  expect(listed.out.trim().split('\n')).toHaveLength(3);
  expect(listed.out).toContain('Browser\ufffd[31m of alice');
  for (const id of [first, second, other]) expect(listed.out).not.toContain(id);

  const sessions = JSON.parse((await cli(['sessions', 'list', 'alice', '--json', ...admin])).out) as {
    handle: string;
  }[];
  const { handle } = sessions[0]!;
  expect(await cli(['sessions', 'revoke', handle, ...admin])).toMatchObject({ code: 0, out: `ended ${handle}\n` });
  expect(await cli(['sessions', 'revoke', handle, ...admin])).toMatchObject({ code: 0, out: 'no session was open\n' });
  expect((await cli(['sessions', 'revoke', '--subject', 'alice', '--json', ...admin])).out).toContain(
    sessions[1]!.handle,
  );

  const status = async (id: string) =>
    (
      await rawRequest(
        instance.port,
        requestHead('GET', '/auth/session', ['Host: shop.example.com', `Cookie: __Host-sid=${id}`]),
      )
    ).status;
  expect([await status(first), await status(second), await status(other)]).toEqual([401, 401, 200]);
});

test('a handle that begins with a hyphen is not read as an option', async () => {
  await using instance = await startInstance();
  const admin = ['--admin-url', `http://127.0.0.1:${instance.adminPort}`];
  const token = ['--token-file', `${instance.file.directory}/admin.token`];
  const handle = `-${'h'.repeat(42)}`;
  expect(await cli(['sessions', 'revoke', handle, ...admin, ...token])).toMatchObject({
    code: 0,
    out: 'no session was open\n',
  });
  const revoked = await cli(['token', 'revoke', '--session', handle, ...admin, ...token]);
  expect(revoked).toMatchObject({ code: 0, out: expect.stringContaining('the session has ended') });
});

test('a missing or wrong token is reported in one clear line', async () => {
  await using instance = await startInstance();
  const url = ['--admin-url', `http://127.0.0.1:${instance.adminPort}`];
  expect(await cli(['sessions', 'list', 'alice', ...url])).toMatchObject({
    code: 1,
    err: 'the admin API needs a token: give --token-file, or set listeners.admin.tokenFile\n',
  });
  const wrong = instance.file.text('wrong.token', 'x'.repeat(40));
  const { code, err } = await cli(['sessions', 'list', 'alice', ...url, '--token-file', wrong]);
  expect(code).toBe(1);
  expect(err).toMatch(/^http:\/\/127\.0\.0\.1:\d+ answered 401: .+\n$/);
});

test('--token-file replaces the tokenFile of the configuration', async () => {
  await using instance = await startInstance();
  const right = `${instance.file.directory}/admin.token`;
  const wrong = instance.file.text('wrong.token', 'x'.repeat(40));
  const list = (inConfiguration: string, ...given: readonly string[]) => {
    const admin = `{ address: 127.0.0.1:${instance.adminPort}, tokenFile: ${inConfiguration} }`;
    const stdin = `version: 1\npublicOrigin: https://a.example.com\nlisteners: { public: { address: 127.0.0.1:8080 }, admin: ${admin} }\nupstreams: { app: { endpoints: [http://127.0.0.1:1] } }\nroutes: [{ id: a, match: { path: / }, credential: none, upstream: app }]\n`;
    return cli(['sessions', 'list', 'alice', '-c', '-', ...given], { stdin });
  };
  expect([(await list(right)).code, (await list(wrong)).code]).toEqual([0, 1]);
  expect((await list(wrong, '--token-file', right)).code).toBe(0);
  expect((await list(right, '--token-file', wrong)).code).toBe(1);
});

test.each([[['sessions', 'revoke']], [['sessions', 'revoke', 'h', '--subject', 's']]])(
  '%j is an invalid command line',
  async (argv) => {
    expect(await cli(argv)).toMatchObject({ code: 2, err: expect.stringContaining('either a HANDLE or --subject') });
  },
);

test.each([
  '{}',
  'null',
  '[]',
  '{"sessions":[{}],"revoked":[1]}',
  '{"sessions":{"length":0},"revoked":"all"}',
  '{"kind":"constructor","until":"2030-01-01T00:00:00Z","hasExpired":false}',
])('the JSON answer %s does not pass for that of an admin listener', async (body) => {
  const server = createServer((_request, response) => void response.end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const admin = ['--admin-url', url, '--token-file', temporaryFile('admin.token', 'a-token-of-whatever-length')];
  for (const command of [
    ['sessions', 'list', 'alice'],
    ['sessions', 'revoke', '--subject', 'alice'],
    ['token', 'revoke', '--subject', 'alice'],
  ]) {
    expect(await cli([...command, ...admin])).toEqual({
      code: 1,
      out: '',
      err: `${url} does not answer like an admin listener\n`,
    });
  }
});
