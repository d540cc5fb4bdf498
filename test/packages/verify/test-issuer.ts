/**
 * An issuer of tokens for a service: a key, a server for its key set, and tokens that are valid except as a test says.
 */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { TestClocks } from '../../support/clocks.ts';

export const ISSUER = 'https://shop.example.com';
export const AUDIENCE = 'orders';

interface TestKey {
  readonly jwk: JWK & { readonly kid: string };
  readonly privateKey: CryptoKey;
  readonly algorithm: string;
}

/** Makes a key pair. */
export async function makeKey(kid: string, algorithm = 'ES256'): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  return { jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' }, privateKey, algorithm };
}

type Members = Readonly<Record<string, unknown>>;

export class TestIssuer implements AsyncDisposable {
  readonly clocks: TestClocks = new TestClocks();
  /** The published keys. */
  published: JWK[];
  /** Answer with this status instead. */
  status = 200;
  requests = 0;
  readonly key: TestKey;
  readonly #server: Server;

  private constructor(key: TestKey) {
    this.key = key;
    this.published = [key.jwk];
    this.#server = createServer((_request, response) => {
      this.requests += 1;
      response.writeHead(this.status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ keys: this.published }));
    });
  }

  static async start(): Promise<TestIssuer> {
    const issuer = new TestIssuer(await makeKey('k1'));
    await new Promise<void>((resolve) => issuer.#server.listen(0, '127.0.0.1', resolve));
    return issuer;
  }

  get jwksUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/.well-known/jwks.json`;
  }

  /** A token that is valid for two minutes, with these members instead of its own; `undefined` omits one. */
  token(claims: Members = {}, header: Members = {}, key: TestKey = this.key): Promise<string> {
    const nowSec = Math.floor(this.clocks.wallMs() / 1_000);
    return new SignJWT({ iss: ISSUER, sub: 'bob', aud: AUDIENCE, iat: nowSec, exp: nowSec + 120, ...claims })
      .setProtectedHeader({ alg: key.algorithm, kid: key.jwk.kid, typ: 'JWT', ...header })
      .sign(key.privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
