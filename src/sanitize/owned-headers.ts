/**
 * The request headers that the gateway owns: only it may write them, so a copy from outside is removed in every
 * spelling. CGI, WSGI, PHP and friends fold different names into one variable (`X_User-Id`, `X.User.Id`,
 * `HTTP_X_USER_ID`), so names are compared in a folded form (CVE-2025-64484, CVE-2026-39858, GHSA-49wc-4hcv-v58q).
 */

import { foldHeaderName } from '../lib/header-name.ts';

/** Owned whatever the configuration says: who the client is, and what the gateway itself says about the request. */
export const OWNED_NAMES = [
  'forwarded',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'proxy-authorization',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-request-id',
  'x-rewrite-url',
] as const;

/** The same, for whole families of names. */
export const OWNED_PREFIXES = ['x-forwarded-', 'x-original-'] as const;

/**
 * Names by which other proxies vouch for something: identity, client certificate, routing. A service behind this
 * gateway may believe them, so they are removed too, unless the configuration passes them (`passClientHeaders`).
 */
export const FOREIGN_NAMES = [
  'client-cert',
  'client-cert-chain',
  'x-client-cert',
  'txn-token',
  'x-access-token',
  'x-id-token',
] as const;
/** The same, for whole families of names. */
export const FOREIGN_PREFIXES = [
  'cf-access-',
  'next-router-',
  'remote-',
  'ssl-client-',
  'x-amzn-oidc-',
  'x-auth-request-',
  'x-authentik-',
  'x-envoy-',
  'x-goog-authenticated-user-',
  'x-goog-iap-',
  'x-internal-',
  'x-middleware-',
  'x-ms-client-principal',
  'x-pomerium-',
  'x-remote-',
  'x-sallyport-',
  'x-ssl-client-',
  'x-webauth-',
] as const;

/** Decides whether a name from outside is one of ours. */
export class OwnedHeaders {
  readonly #names: ReadonlySet<string>;
  readonly #passed: ReadonlySet<string>;

  /**
   * @param written  every header that some route writes with identity in it, plus the header of the upstream token
   * @param passed   names of other proxies' families that clients may send; never one that is `written` or ours
   */
  constructor(written: Iterable<string>, passed: Iterable<string>) {
    this.#names = new Set([...OWNED_NAMES, ...[...written].map(foldHeaderName)]);
    this.#passed = new Set([...passed].map(foldHeaderName));
  }

  /** Whether a header of this name, as spelled by a client, has to be removed. */
  owns(name: string): boolean {
    const folded = foldHeaderName(name);
    if (this.#names.has(folded) || OWNED_PREFIXES.some((prefix) => folded.startsWith(prefix))) return true;
    if (this.#passed.has(folded)) return false;
    return (
      FOREIGN_NAMES.some((foreign) => foreign === folded) ||
      FOREIGN_PREFIXES.some((prefix) => folded.startsWith(prefix))
    );
  }
}
