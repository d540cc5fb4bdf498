import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint, createLocalJWKSet, decodeProtectedHeader, type JWK, jwtVerify } from 'jose';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { FileReader } from '../../src/config/files/named-files.ts';
import { addKey, readKeyDirectory, withRotationLock } from '../../src/token/key-directory.ts';
import { generatePrivateJwk, importPrivateJwk, secretSigningKey } from '../../src/token/signing-key.ts';
import { openSigningKeys, readSigningKeys } from '../../src/token/signing-keys.ts';
import { TestClocks } from '../support/clocks.ts';
import { parseTestConfig } from '../support/gateway.ts';

const DAY_MS = 86_400_000;

function tokenConfig(upstreamToken: Record<string, unknown>) {
  return parseTestConfig({ config: { upstreamToken } }).upstreamToken;
}

describe('signing keys in a directory', () => {
  let directory: string;
  let clocks: TestClocks;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sallyport-keys-'));
    clocks = new TestClocks();
    return () => rm(directory, { recursive: true });
  });

  const open = async (extra: Record<string, unknown> = {}) => {
    const config = tokenConfig({ keys: { directory, publishBefore: '15m', ...extra } });
    const reader = new FileReader(clocks);
    const found = await readSigningKeys(config, reader);
    if (reader.mistakes[0] !== undefined) throw reader.mistakes[0];
    return openSigningKeys(config, found, 120_000, clocks.wallMs);
  };

  test('without an active key the gateway does not start, and names the command that makes one', async () => {
    await expect(open()).rejects.toThrow(/no active ES256 key: run `sallyport keys generate --directory/);
  });

  test('R11: replicas that start at once on an empty directory with rotateEvery share one key', async () => {
    const opened = await Promise.all(Array.from({ length: 4 }, () => open({ rotateEvery: '30d' })));
    const kids = opened.map(({ keyring }) => keyring.active().kid);
    expect(new Set(kids).size).toBe(1);
    expect(await readKeyDirectory(directory, 'ES256')).toHaveLength(1);
  });

  test('R11: a replica waits while another one makes the first key', async () => {
    let opening: Promise<unknown> = Promise.resolve();
    await withRotationLock(directory, clocks.wallMs(), async () => {
      opening = open({ rotateEvery: '30d' });
      await addKey(directory, 'ES256', clocks.wallMs(), clocks.wallMs());
    });
    await opening;
    expect(await readKeyDirectory(directory, 'ES256')).toHaveLength(1);
  });

  test('a key that remains when the directory is read again keeps its object', async () => {
    await addKey(directory, 'ES256', 0, 0);
    const keys = await open();
    const [before] = keys.keyring.verifying();
    await keys.refresh();
    expect(before).toBeDefined();
    expect(keys.keyring.verifying()[0]).toBe(before);
  });

  test('a key that another replica removes during a read is not an error', async () => {
    const [kept, spent] = [await addKey(directory, 'ES256', 0, 0), await addKey(directory, 'ES256', 0, 1)];
    const reading = readKeyDirectory(directory, 'ES256');
    await rm(join(directory, `${spent}.key.json`));
    for (const { signing } of await reading) expect([kept, spent]).toContain(signing.kid);
  });

  test('with rotateEvery, an empty directory gets its first key, which is active at once', async () => {
    const { keyring } = await open({ rotateEvery: '30d' });
    expect(keyring.states().map(({ state }) => state)).toEqual(['active']);
  });

  test('a key file is readable by its owner only', async () => {
    await open({ rotateEvery: '30d' });
    const [name = ''] = await readdir(directory);
    expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
  });

  test('the next key is published before it signs, and the old one stays until its tokens expire', async () => {
    const keys = await open({ rotateEvery: '30d' });
    const first = keys.keyring.active().kid;

    clocks.advance(30 * DAY_MS - 15 * 60_000);
    await keys.refresh();
    expect(keys.keyring.states().map(({ state }) => state)).toEqual(['active', 'next']);
    expect(keys.keyring.active().kid).toBe(first);
    expect(keys.keyring.published().keys).toHaveLength(2);

    clocks.advance(15 * 60_000);
    const second = keys.keyring.active().kid;
    expect(second).not.toBe(first);
    expect(keys.keyring.published().keys.map(({ kid }) => kid)).toEqual([first, second]);

    clocks.advance(2 * 60_000 + 60_001);
    expect(keys.keyring.published().keys.map(({ kid }) => kid)).toEqual([second]);
    await keys.refresh();
    expect(await readdir(directory)).toEqual([`${second}.key.json`]);
  });

  test('replicas that rotate in a shared directory at once make one key and agree on it', async () => {
    const [a, b] = [await open({ rotateEvery: '30d' }), await open({ rotateEvery: '30d' })];
    clocks.advance(30 * DAY_MS - 15 * 60_000);
    await Promise.all([a.refresh(), b.refresh()]);
    await Promise.all([a.refresh(), b.refresh()]);
    expect(await readdir(directory)).toHaveLength(2);
    clocks.advance(15 * 60_000);
    expect(a.keyring.active().kid).toBe(b.keyring.active().kid);
  });

  test('a lock left behind by a dead process does not stop rotation forever', async () => {
    const lock = join(directory, 'rotation.lock');
    await writeFile(lock, String(clocks.wallMs()));
    let runs = 0;
    const change = async () => {
      runs += 1;
    };
    expect(await withRotationLock(directory, clocks.wallMs(), change)).toBe(false);
    clocks.advance(60_001);
    expect(await withRotationLock(directory, clocks.wallMs(), change)).toBe(true);
    expect(runs).toBe(1);
  });

  test('a file that is not a key is an error that names the file', async () => {
    await addKey(directory, 'ES256', 0, 0);
    await writeFile(join(directory, 'broken.key.json'), '{"createdAt": "yesterday"}');
    await expect(readKeyDirectory(directory, 'ES256')).rejects.toThrow(/broken\.key\.json is not a key file/);
  });

  test('a key for another algorithm is refused with the name of its file', async () => {
    const kid = await addKey(directory, 'EdDSA', 0, 0);
    await expect(readKeyDirectory(directory, 'ES256')).rejects.toThrow(
      new RegExp(`${kid}\\.key\\.json is for EdDSA, the configuration says ES256`),
    );
  });
});

describe('signing key material', () => {
  test.each(['ES256', 'EdDSA', 'RS256', 'PS256'] as const)(
    '%s: the published key has no private member and its kid is its thumbprint',
    async (algorithm) => {
      const signing = await importPrivateJwk(await generatePrivateJwk(algorithm), algorithm);
      const published = signing.publicJwk ?? {};
      expect(
        Object.keys(published).filter((name) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'].includes(name)),
      ).toEqual([]);
      expect(published).toMatchObject({ kid: signing.kid, alg: algorithm, use: 'sig' });
    },
  );

  test('RFC 7518 §3.2: an HS256 secret under 32 bytes is refused, and a secret is never published', () => {
    expect(() => secretSigningKey(Buffer.alloc(31, 1))).toThrow(/31 bytes; HS256 needs at least 32/);
    expect(secretSigningKey(Buffer.alloc(32, 1)).publicJwk).toBeNull();
  });

  test('a key whose kid is not its thumbprint is refused', async () => {
    const jwk = await generatePrivateJwk('ES256');
    await expect(importPrivateJwk({ ...jwk, kid: 'mine' }, 'ES256')).rejects.toThrow(/kid that is not its thumbprint/);
  });

  test('RFC 7518 §3.4: a key on a curve other than its algorithm’s is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const jwk = privateKey.export({ format: 'jwk' }) as JWK;
    const kid = await calculateJwkThumbprint(jwk);
    await expect(importPrivateJwk({ ...jwk, alg: 'ES256', kid }, 'ES256')).rejects.toThrow();
  });
});

test('rotation under load causes no failure at an upstream that caches the JWKS for its max-age', async () => {
  const { startGateway, HOST } = await import('../support/gateway.ts');
  const { rawRequest, requestHead } = await import('../support/raw-client.ts');
  const { RecordingUpstream } = await import('../support/recording-upstream.ts');
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-keys-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const clocks = new TestClocks();
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({
    upstream: upstream.origin,
    clocks,
    config: {
      session: { idleTimeout: '60d', absoluteTimeout: '60d' },
      upstreamToken: { jwksMaxAge: '5m', keys: { directory, rotateEvery: '1h', publishBefore: '6m' } },
    },
  });

  let cached = { atMs: Number.NEGATIVE_INFINITY, jwks: createLocalJWKSet({ keys: [] }) };
  const verifyAtUpstream = async () => {
    if (clocks.wallMs() - cached.atMs >= 5 * 60_000) {
      const answer = await rawRequest(gateway.port, requestHead('GET', '/.well-known/jwks.json', [HOST]));
      expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
      cached = { atMs: clocks.wallMs(), jwks: createLocalJWKSet(JSON.parse(answer.body.toString())) };
    }
    const token = (upstream.last.values('authorization')[0] ?? '').replace('Bearer ', '');
    await jwtVerify(token, cached.jwks, { currentDate: new Date(clocks.wallMs()), audience: 'app' });
    return decodeProtectedHeader(token).kid;
  };

  const cookie = await gateway.cookie();
  const signers = new Set<string | undefined>();
  // Two and a half hours, a request every 20 seconds, the key directory read every 10: as the gateway itself does.
  for (let step = 0; step < 450; step += 1) {
    clocks.advance(20_000);
    await gateway.gateway.longLived.signingKeys.refresh();
    expect((await rawRequest(gateway.port, requestHead('GET', '/', [HOST, cookie]))).status).toBe(200);
    signers.add(await verifyAtUpstream());
  }
  expect(signers.size).toBe(3);
});
