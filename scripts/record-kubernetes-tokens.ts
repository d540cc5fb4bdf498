/**
 * Records what a real Kubernetes API server says about ServiceAccount tokens, for the tests that have none:
 * its discovery document, its key set as a workload and as an anonymous client gets it, and tokens of its
 * TokenRequest API.
 *
 *   node scripts/record-kubernetes-tokens.ts https://127.0.0.1:16443 ADMIN_TOKEN CA_FILE 'kube-apiserver v1.35.4'
 *
 * Makes the namespaces `shop` and `bank` with ServiceAccounts, which is all that it changes there. Use a server that is
 * thrown away: the tokens go into the repository. They have expired by the time that anyone reads this, and the tests
 * set their clocks back to when they were recorded.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';

const FILE = new URL('../test/authentication/service-token/fixtures/kubernetes.json', import.meta.url);

const [, , server, adminToken, caFile, version] = process.argv;
if (server === undefined || adminToken === undefined || caFile === undefined || version === undefined)
  throw new Error('usage: record-kubernetes-tokens.ts SERVER ADMIN_TOKEN CA_FILE VERSION');
const ca = readFileSync(caFile, 'utf8');

interface Answer {
  readonly status: number;
  readonly contentType: string | null;
  readonly body: string;
}

function call(method: string, path: string, token: string | null, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      // As src/jwt/fetch-json.ts asks: /openid/v1/jwks answers 406 to application/json alone.
      accept: 'application/json, application/jwk-set+json',
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    request(new URL(path, server), { method, headers, ca, agent: false }, async (response) => {
      const parts: Buffer[] = [];
      for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
      resolve({
        status: response.statusCode ?? 0,
        contentType: response.headers['content-type'] ?? null,
        body: Buffer.concat(parts).toString('utf8'),
      });
    })
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function make(path: string, body: unknown): Promise<void> {
  const { status } = await call('POST', path, adminToken ?? null, body);
  if (status !== 201 && status !== 409) throw new Error(`${path} answers ${status}`);
}

async function tokenOf(namespace: string, name: string, audiences: readonly string[], expirationSeconds: number) {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const { status, body } = await call('POST', path, adminToken ?? null, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences, expirationSeconds },
  });
  if (status !== 201) throw new Error(`${path} answers ${status}`);
  return (JSON.parse(body) as { status: { token: string } }).status.token;
}

for (const [namespace, name] of [
  ['shop', 'gateway'],
  ['shop', 'cart'],
  ['bank', 'ledger'],
] as const) {
  await make('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await make(`/api/v1/namespaces/${namespace}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name },
  });
}

// As kubelet asks for it: without an audience, which is the API server's own.
const own = await tokenOf('shop', 'gateway', [], 3_607);
const recorded = {
  server: version,
  recordedAtSec: (JSON.parse(Buffer.from(own.split('.')[1] ?? '', 'base64url').toString()) as { iat: number }).iat,
  discovery: await call('GET', '/.well-known/openid-configuration', own),
  jwks: await call('GET', '/openid/v1/jwks', own),
  jwksForNobody: await call('GET', '/openid/v1/jwks', null),
  tokens: {
    own,
    cart: await tokenOf('shop', 'cart', ['https://shop.example.com'], 600),
    ledger: await tokenOf('bank', 'ledger', ['https://shop.example.com', 'other'], 3_600),
    otherAudience: await tokenOf('shop', 'cart', ['other'], 600),
    longLived: await tokenOf('shop', 'cart', ['https://shop.example.com'], 86_400),
  },
};
writeFileSync(FILE, `${JSON.stringify(recorded, null, 2)}\n`);
console.log(`recorded ${recorded.server}`);
