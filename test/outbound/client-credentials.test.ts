/** Calls that go out with the workload's own token from an authorization server, also one that misbehaves. */

import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClocks } from '../support/clocks.ts';
import { json, refusing, TestAuthorizationServer, type TokenAnswer } from '../support/issuers/authorization-server.ts';
import { CertificateFiles, TestAuthority } from '../support/issuers/certificates.ts';
import { foreignToken, OutboundStage, ReplacedFiles } from './stage.ts';

const SECRET = 'a secret: with % and + and ü';

let files: ReplacedFiles;
let server: TestAuthorizationServer;
let clocks: TestClocks;
beforeEach(async () => {
  files = new ReplacedFiles();
  clocks = new TestClocks();
  server = await TestAuthorizationServer.start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  files[Symbol.dispose]();
});

const start = (more: Record<string, unknown> = {}) =>
  OutboundStage.start({
    destinations: [
      {
        token: {
          clientCredentials: {
            tokenUrl: server.tokenUrl,
            clientId: 'cart client',
            clientSecretFile: files.put('secret', `${SECRET}\n`),
            ...more,
          },
        },
      },
    ],
    clocks,
  });
const withoutSecret = (more: Record<string, unknown>) => start({ clientSecretFile: undefined, ...more });

test('S8: a kept token from the future is not sent again after the clock steps back', async () => {
  await using stage = await start();
  await stage.call('/');
  await stage.call('/');
  expect([stage.lastToken, server.requests.length]).toEqual(['token-1', 1]);
  clocks.stepWall(-60_000);
  expect((await stage.call('/')).status).toBe(200);
  expect(stage.lastToken).toBe('token-2');
});

describe('the request for a token', () => {
  test('RFC 6749 §4.4.2, §2.3.1: is a form with grant, scopes and audience; the encoded secret is in HTTP Basic', async () => {
    await using stage = await start({ scopes: ['orders:read', 'orders:write'], audience: 'https://orders' });
    expect((await stage.call('/', 'Authorization: Bearer mallory')).status).toBe(200);
    expect(stage.lastToken).toBe('token-1');
    const [request] = server.requests;
    expect(request).toMatchObject({
      method: 'POST',
      path: '/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(Object.fromEntries(request?.parameters ?? [])).toEqual({
      grant_type: 'client_credentials',
      scope: 'orders:read orders:write',
      audience: 'https://orders',
    });
    const basic = Buffer.from(String(request?.headers.authorization).replace('Basic ', ''), 'base64').toString();
    expect(basic).toBe('cart+client:a+secret%3A+with+%25+and+%2B+and+%C3%BC');
  });

  test.each([
    ['EC P-256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'ES256'],
    ['EC P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'ES384'],
    ['Ed25519', () => generateKeyPairSync('ed25519').privateKey, 'EdDSA'],
    ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey, 'RS256'],
  ] as const)(
    'RFC 7523 §3: with a key of %s is authenticated by a new short-lived assertion each time',
    async (_what, make, algorithm) => {
      const key = make();
      const privateKeyFile = files.put('client.pem', key.export({ type: 'pkcs8', format: 'pem' }).toString());
      await using stage = await withoutSecret({ privateKeyFile, keyId: 'k1', assertionAudience: 'https://id.example' });
      const ids = new Set<string | undefined>();
      for (let round = 0; round < 2; round += 1) {
        clocks.advance(300_000);
        expect((await stage.call('/')).status).toBe(200);
        const { parameters, headers } = server.requests.at(-1)!;
        expect(headers.authorization).toBeUndefined();
        expect(parameters.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
        const { payload, protectedHeader } = await jwtVerify(
          parameters.get('client_assertion') ?? '',
          createPublicKey(key.export({ type: 'pkcs8', format: 'pem' })),
          { currentDate: new Date(clocks.wallMs()) },
        );
        expect(protectedHeader).toEqual({ alg: algorithm, kid: 'k1', typ: 'JWT' });
        expect(payload).toMatchObject({ iss: 'cart client', sub: 'cart client', aud: 'https://id.example' });
        expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
        ids.add(payload.jti);
      }
      expect(ids.size).toBe(2);
    },
  );

  test('RFC 7523 §2.2: sends the current content of an assertion file', async () => {
    const assertionFile = files.put('assertion', `${await foreignToken({ jti: 'one' })}\n`);
    await using stage = await withoutSecret({ assertionFile });
    await stage.call('/');
    const second = await foreignToken({ jti: 'two' });
    files.put('assertion', second);
    clocks.advance(300_000);
    await stage.call('/');
    expect(server.requests.map(({ parameters }) => parameters.get('client_assertion'))).toEqual([
      await foreignToken({ jti: 'one' }),
      second,
    ]);
    expect(server.requests[0]?.parameters.get('client_id')).toBe('cart client');
  });

  test('uses a replaced secret for the next fetch, without a reload', async () => {
    await using stage = await start();
    await stage.call('/');
    files.put('secret', 'another');
    clocks.advance(300_000);
    await stage.call('/');
    const sent = server.requests.map(({ headers }) => headers.authorization);
    expect(Buffer.from(String(sent[1]).replace('Basic ', ''), 'base64').toString()).toBe('cart+client:another');
  });

  test.each([
    ['a file that is not a key', { privateKeyFile: 'nonsense' }, 'is not a PEM private key'],
    [
      'an encrypted key',
      {
        privateKeyFile: generateKeyPairSync('ec', { namedCurve: 'P-256' })
          .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'passphrase' })
          .toString(),
      },
      'is encrypted',
    ],
    ['an empty secret', { clientSecretFile: '\n' }, 'is empty'],
    ['an assertion that is not a JWT', { assertionFile: 'nonsense' }, 'is not a JWT'],
    [
      'an RSA key of 1024 bits',
      {
        privateKeyFile: generateKeyPairSync('rsa', { modulusLength: 1_024 })
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
      },
      'under 2048 bits',
    ],
  ])('cannot be configured with %s: the gateway does not start', async (_what, credential, why) => {
    const [key, text] = Object.entries(credential)[0]!;
    await expect(withoutSecret({ [key]: files.put('credential', text) })).rejects.toThrow(why);
    expect(server.requests).toEqual([]);
  });

  test('verifies the server’s TLS certificate against the configured CA and the URL', async () => {
    const authority = new TestAuthority();
    using certificates = new CertificateFiles();
    const { certificate, key } = authority.issue({ names: ['127.0.0.1'] });
    await using secure = await TestAuthorizationServer.start({ cert: certificate, key });
    const caFile = certificates.text('ca.crt', authority.certificate);
    const strangerFile = certificates.text('other.crt', new TestAuthority('Another authority').certificate);
    await using good = await start({ tokenUrl: secure.tokenUrl, caFile });
    expect((await good.call('/')).status).toBe(200);
    await using bad = await start({ tokenUrl: secure.tokenUrl, caFile: strangerFile });
    expect(await bad.call('/')).toMatchObject({ status: 503, reason: 'token_unavailable' });
    expect(secure.requests).toHaveLength(1);
  });
});

describe('the token', () => {
  test('is reused for three quarters of expires_in, then fetched once for all waiting calls', async () => {
    await using stage = await start();
    await stage.call('/');
    clocks.advance(224_000);
    await stage.call('/');
    expect(server.requests).toHaveLength(1);
    clocks.advance(1_000);
    const answers = await Promise.all(Array.from({ length: 20 }, () => stage.call('/')));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(server.requests).toHaveLength(2);
    expect(new Set(stage.orders.requests.slice(-20).map((request) => request.values('authorization')[0]))).toEqual(
      new Set(['Bearer token-2']),
    );
  });

  test('is kept no longer than its own exp if it is a JWT', async () => {
    const compact = await foreignToken({ exp: Math.floor(clocks.wallMs() / 1_000) + 40 });
    server.answer = server.issuing({ access_token: compact, expires_in: 86_400 });
    await using stage = await start();
    await stage.call('/');
    clocks.advance(29_000);
    await stage.call('/');
    expect(server.requests).toHaveLength(1);
    clocks.advance(2_000);
    await stage.call('/');
    expect(server.requests).toHaveLength(2);
  });

  test('RFC 6749 §5.1: is fetched again within a minute if nothing states its lifetime', async () => {
    server.answer = server.issuing({ expires_in: undefined });
    await using stage = await start();
    for (const [afterMs, fetches] of [
      [0, 1],
      [44_000, 1],
      [2_000, 2],
    ] as const) {
      clocks.advance(afterMs);
      await stage.call('/');
      expect(server.requests).toHaveLength(fetches);
    }
  });
});

/** A JWT from 2020, regardless of the expires_in beside it. */
const EXPIRED = await foreignToken({ exp: 1_600_000_000 });

/** What a server may do instead of issuing a token, and what the log says about it. */
const MISBEHAVIOUR: readonly (readonly [what: string, answer: TokenAnswer, note: string])[] = [
  ['answers 500', refusing('server_error', 500), 'authorization server answers 500'],
  ['answers 401', refusing('invalid_client', 401), 'does not accept the credential of this client (401)'],
  ['refuses the client', refusing('invalid_client'), 'refuses this client (invalid_client)'],
  ['refuses the scope', refusing('invalid_scope'), 'refuses this client (invalid_scope)'],
  ['answers with an unknown error', refusing('hunter2 hunter2'), 'authorization server answers 400'],
  ['is too busy', refusing('slow_down', 429), 'is busy (429)'],
  [
    'redirects',
    (_request, response) => void response.writeHead(307, { location: 'http://127.0.0.1:9/elsewhere' }).end(),
    'redirects (307), which is not followed',
  ],
  ['answers with a page', (_request, response) => void response.end('<html>hunter2</html>'), 'without a usable token'],
  ['answers with a list', (_request, response) => json(response, 200, ['hunter2']), 'without a usable token'],
  [
    'gives no token',
    (_request, response) => json(response, 200, { token_type: 'Bearer', expires_in: 300 }),
    'without a usable token',
  ],
  [
    'gives a token that would split the header',
    (_request, response) =>
      json(response, 200, { access_token: 'a\r\nX-User: mallory', token_type: 'Bearer', expires_in: 300 }),
    'without a usable token',
  ],
  [
    'gives a token of another type',
    (_request, response) => json(response, 200, { access_token: 'abc', token_type: 'DPoP', expires_in: 300 }),
    'not a bearer token',
  ],
  [
    'gives an expired token',
    (_request, response) => json(response, 200, { access_token: EXPIRED, token_type: 'Bearer', expires_in: 300 }),
    'an expired token',
  ],
  [
    'answers with 10 MB',
    (_request, response) => void response.end(`{"access_token":"${'a'.repeat(10_000_000)}"}`),
    'does not answer (ERR_ANSWER_TOO_LARGE)',
  ],
  ['never answers', () => {}, 'does not answer (TimeoutError)'],
  [
    'sends its answer byte by byte',
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    },
    'does not answer (TimeoutError)',
  ],
  ['hangs up', (_request, response) => void response.socket?.destroy(), 'does not answer (ECONNRESET)'],
];

describe('an authorization server that', () => {
  test.each(MISBEHAVIOUR)(
    '%s: the call gets 503 with a clear reason in the log, and is not sent',
    async (_what, answer, note) => {
      server.answer = answer;
      // Only a server that never answers runs into the timeout.
      await using stage = await start({ timeout: note.includes('TimeoutError') ? '200ms' : '30s' });
      const refused = await stage.call('/');
      expect(refused).toMatchObject({ status: 503, reason: 'token_unavailable' });
      expect(stage.orders.requests).toEqual([]);
      const record = stage.gateway.log.records.at(-1);
      expect(String(record?.['note'])).toContain(note);
      for (const secret of ['hunter2', 'a secret', 'mallory']) {
        expect(stage.gateway.log.text).not.toContain(secret);
        expect(refused.body.toString()).not.toContain(secret);
      }
    },
  );

  test.each(MISBEHAVIOUR.slice(0, 9))('%s is not asked again until the cool-down is over', async (_what, answer) => {
    server.answer = answer;
    await using stage = await start({ coolDown: '10s' });
    for (let call = 0; call < 5; call += 1) expect((await stage.call('/')).status).toBe(503);
    expect(server.requests).toHaveLength(1);
    expect(String(stage.gateway.log.records.at(-1)?.['note'])).toContain('is cooling down after a failure');
    clocks.advance(10_000);
    server.answer = server.issuing();
    expect((await stage.call('/')).status).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  test('closes an idle connection as a request arrives is asked again, but only once', async () => {
    const issue = server.issuing();
    server.answer = (request, response) => {
      if (server.requests.length === 1) response.socket?.destroy();
      else issue(request, response);
    };
    await using stage = await start();
    expect((await stage.call('/')).status).toBe(200);
    expect(server.requests).toHaveLength(2);
    server.answer = (_request, response) => void response.socket?.destroy();
    clocks.advance(400_000);
    expect((await stage.call('/')).status).toBe(503);
    expect(server.requests).toHaveLength(4);
  });

  test('fails to renew a token: the last one is used until it expires', async () => {
    await using stage = await start();
    await stage.call('/');
    server.answer = refusing('server_error', 500);
    clocks.advance(240_000);
    expect((await stage.call('/')).status).toBe(200);
    expect(stage.lastToken).toBe('token-1');
    clocks.advance(60_000);
    expect((await stage.call('/')).status).toBe(503);
  });
});
