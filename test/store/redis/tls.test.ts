/** A Redis that speaks TLS, and one with an untrusted certificate. */

import { expect, test } from 'vitest';
import { CertificateFiles, TestAuthority } from '../../support/issuers/certificates.ts';
import { freePort } from '../../support/ports.ts';
import { RedisServer } from '../../support/redis.ts';
import { openStore, StoreLog } from '../../support/redis-store.ts';
import { newRecord } from '../contract.ts';

const authority = new TestAuthority();

/** Starts a Redis with a certificate for these names. */
async function startTlsRedis(files: CertificateFiles, names: string[]) {
  const { certFile, keyFile } = files.write('redis', authority.issue({ names }));
  const port = await freePort();
  const config = {
    'tls-port': String(port),
    'tls-cert-file': certFile,
    'tls-key-file': keyFile,
    'tls-auth-clients': 'no',
  };
  const redis = await RedisServer.start({ config });
  return Object.assign(redis, { tlsUrl: `rediss://localhost:${port}` });
}

test('A7: keeps sessions in a Redis over TLS, and reads many at once', async () => {
  using files = new CertificateFiles();
  await using redis = await startTlsRedis(files, ['localhost']);
  const caFile = files.text('ca.crt', authority.certificate);
  const log = new StoreLog();
  await using store = await openStore(redis.tlsUrl, { log, config: { tls: { caFile } } });
  const records = Array.from({ length: 50 }, () => newRecord());
  await Promise.all(records.map((record) => store.sessions.create(record, 60_000)));
  expect(await Promise.all(records.map(({ handle }) => store.sessions.read(handle)))).toEqual(records);
  expect(log.lines).toEqual(['available']);
});

test.each([
  {
    what: 'comes from another authority',
    names: ['localhost'],
    ca: new TestAuthority('Stranger'),
    code: /CERT|SIGNATURE/,
  },
  { what: 'is for another name', names: ['redis.internal'], ca: authority, code: /ERR_TLS_CERT_ALTNAME_INVALID/ },
])('A7: sends no command to a Redis whose certificate $what, and logs why', async ({ names, ca, code }) => {
  using files = new CertificateFiles();
  await using redis = await startTlsRedis(files, names);
  const caFile = files.text('ca.crt', ca.certificate);
  const log = new StoreLog();
  await using store = await openStore(redis.tlsUrl, { log, config: { tls: { caFile } } });
  expect(store.isAvailable()).toBe(false);
  await expect(store.sessions.read(newRecord().handle)).rejects.toMatchObject({ reason: 'store_unavailable' });
  expect(log.lines).toEqual([expect.stringMatching(/^unavailable: no connection to Redis \([A-Z_]+\)$/)]);
  expect(log.lines[0]).toMatch(code);
  expect(log.operations).toEqual([]);
});
