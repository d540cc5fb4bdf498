/**
 * A signer of JWTs: a key, the JWK Set for a configuration, and any token that a test asks for.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';

export class TokenAuthority implements Disposable {
  readonly issuer: string;
  /** Its JWK Set, in a file. */
  readonly jwksFile: string;
  /** The same key, as the bundle of a SPIFFE trust domain. */
  readonly svidBundleFile: string;
  readonly #key: CryptoKey;
  readonly #directory: string;

  private constructor(issuer: string, key: CryptoKey, directory: string) {
    this.issuer = issuer;
    this.#key = key;
    this.#directory = directory;
    this.jwksFile = join(directory, 'jwks.json');
    this.svidBundleFile = join(directory, 'bundle.json');
  }

  /** Creates a key. Dispose of it with `using`. */
  static async create(issuer = 'https://cluster.example'): Promise<TokenAuthority> {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const authority = new TokenAuthority(issuer, privateKey, mkdtempSync(join(tmpdir(), 'sallyport-authority-')));
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
    writeFileSync(authority.jwksFile, JSON.stringify({ keys: [jwk] }));
    writeFileSync(authority.svidBundleFile, JSON.stringify({ keys: [{ ...jwk, use: 'jwt-svid' }] }));
    return authority;
  }

  /** The entry of `issuers` that accepts its tokens. */
  get config(): Record<string, unknown> {
    return { issuer: this.issuer, jwksFile: this.jwksFile, algorithms: ['ES256'] };
  }

  /**
   * Signs a token for the public origin of the fixtures.
   *
   * @param claims  override the usual ones; `undefined` omits one
   */
  token(claims: Readonly<Record<string, unknown>> = {}, lifetimeSec = 300): Promise<string> {
    const iat = Math.floor(Date.now() / 1_000);
    const payload = {
      iss: this.issuer,
      sub: 'cart',
      aud: 'https://shop.example.com',
      iat,
      exp: iat + lifetimeSec,
      ...claims,
    };
    return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'JWT' }).sign(this.#key);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
