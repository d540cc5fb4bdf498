/**
 * The request headers that the gateway owns: only the gateway may write them, so a copy from a client is removed in every
 * spelling. CGI, WSGI, PHP and others fold different names into one variable (`X_User-Id`, `X.User.Id`, `HTTP_X_USER_ID`),
 * so names are compared in a folded form (CVE-2025-64484, CVE-2026-39858, GHSA-49wc-4hcv-v58q).
 */

import { foldHeaderName } from '../lib/http/header-name.ts';

/** Always owned: the identity of the client, and the gateway's own statements about the request. */
export const OWNED_NAMES = [
  'forwarded',
  'proxy',
  'proxy-authorization',
  'true-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-forwarded',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-real-ip',
  'x-request-id',
  'x-rewrite-url',
] as const;

/** Prefixes of names that are always owned. */
export const OWNED_PREFIXES = ['x-forwarded-', 'x-original-'] as const;

/**
 * Headers by which other proxies and access gateways vouch for the user, the certificate or address of the client, or the
 * destination of a request. A service that was once behind one of them may still trust them, so they are removed too,
 * unless the configuration passes them (`passClientHeaders`). A header that an application defines for its own pages
 * and clients does not belong here, whatever its name suggests.
 *
 * Next.js trusted `x-middleware-subrequest` from any client (CVE-2025-29927).
 */
export const FOREIGN_NAMES = [
  'affiliation',
  'ali-cdn-real-ip',
  'cdn-real-ip',
  'cdn-src-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'cf-pseudo-ipv4',
  'client-cert',
  'client-cert-chain',
  'client-ip',
  'dapr-caller-app-id',
  'do-connecting-ip',
  'eppn',
  'fastly-client-ip',
  'fastly-ssl',
  'fly-client-ip',
  'host-override',
  'incap-client-ip',
  'proxy-client-ip',
  'proxy-user',
  'teleport-jwt-assertion',
  'txn-token',
  'unscoped-affiliation',
  'wl-proxy-client-ip',
  'x-access-token',
  'x-anonymous-consumer',
  'x-apigateway-api-userinfo',
  'x-arr-clientcert',
  'x-arr-ssl',
  'x-auth-email',
  'x-auth-groups',
  'x-auth-name',
  'x-auth-roles',
  'x-auth-subject',
  'x-auth-user',
  'x-auth-userid',
  'x-auth-username',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-client-cert',
  'x-client-dn',
  'x-client-verify',
  'x-clientcert',
  'x-credential-identifier',
  'x-credential-username',
  'x-email',
  'x-endpoint-api-userinfo',
  'x-external-user',
  'x-groups',
  'x-host',
  'x-host-override',
  'x-http-host-override',
  'x-id-token',
  'x-istio-auth-userinfo',
  'x-jwt-assertion',
  'x-jwt-payload',
  'x-matched-path',
  'x-middleware-subrequest',
  'x-middleware-subrequest-id',
  'x-nf-client-connection-ip',
  'x-now-route-matches',
  'x-originating-ip',
  'x-preferred-username',
  'x-proxyuser-ip',
  'x-raw-id-token',
  'x-real-user',
  'x-refresh-token',
  'x-role',
  'x-roles',
  'x-serverless-authorization',
  'x-spiffe-id',
  'x-sucuri-clientip',
  'x-tls-client-cert',
  'x-user',
  'x-user-email',
  'x-user-groups',
  'x-user-id',
  'x-user-name',
  'x-user-roles',
  'x-userid',
  'x-userinfo',
  'x-username',
  'x-vercel-oidc-token',
  'x-vercel-proxied-for',
  'x-verified-user',
] as const;
/** Prefixes of such names. */
export const FOREIGN_PREFIXES = [
  'ajp-',
  'cf-access-',
  'impersonate-',
  'iv-',
  'l5d-',
  'oam-',
  'oidc-',
  'remote-',
  'saml-',
  'shib-',
  'sm-',
  'ssl-client-',
  'tailscale-',
  'x-amzn-mtls-',
  'x-amzn-oidc-',
  'x-appengine-',
  'x-auth-request-',
  'x-authelia-',
  'x-authenticated-',
  'x-authentik-',
  'x-client-cert-',
  'x-clientcert-',
  'x-consumer-',
  'x-envoy-',
  'x-goog-authenticated-user-',
  'x-goog-iap-',
  'x-heimdall-',
  'x-hydra-',
  'x-identity-',
  'x-internal-',
  'x-jwt-claim-',
  'x-keycloak-',
  'x-kong-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-oathkeeper-',
  'x-oauth-',
  'x-okta-',
  'x-ory-',
  'x-pomerium-',
  'x-remote-',
  'x-sallyport-',
  'x-saml-',
  'x-shib-',
  'x-ssl-client-',
  'x-teleport-',
  'x-tls-client-',
  'x-traefik-',
  'x-tyk-',
  'x-vercel-forwarded-',
  'x-vercel-ip-',
  'x-vouch-',
  'x-webauth-',
  'x-wonderwall-',
] as const;

const FOREIGN: ReadonlySet<string> = new Set(FOREIGN_NAMES);

/** Decides which headers of a client are removed. */
export class OwnedHeaders {
  readonly #names: ReadonlySet<string>;
  readonly #passed: ReadonlySet<string>;

  /**
   * @param written  every header into which a route writes identity, and the header of the upstream token
   * @param passed   headers of other proxies that clients may send; ignored where a name is `written` or always owned
   */
  constructor(written: Iterable<string>, passed: Iterable<string>) {
    this.#names = new Set([...OWNED_NAMES, ...[...written].map(foldHeaderName)]);
    this.#passed = new Set([...passed].map(foldHeaderName));
  }

  /** Whether a header of this name, as spelled by a client, is removed. */
  owns(name: string): boolean {
    const folded = foldHeaderName(name);
    if (this.#names.has(folded) || OWNED_PREFIXES.some((prefix) => folded.startsWith(prefix))) return true;
    if (this.#passed.has(folded)) return false;
    return FOREIGN.has(folded) || FOREIGN_PREFIXES.some((prefix) => folded.startsWith(prefix));
  }
}
