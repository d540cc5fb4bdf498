/**
 * Where key sets come from: an address, an issuer's metadata, the API server of a cluster. Each function here
 * makes the fetch for a {@link RemoteKeySet}; its rejections are fixed text and may be logged.
 */

import { isLoopbackHost } from '../lib/address.ts';
import type { FetchJson } from './fetch-json.ts';
import { type KeyRules, type ReadKeySet, readKeySet } from './verification-keys.ts';

/** A fetch of a key set. */
export type FetchKeySet = () => Promise<ReadKeySet>;

/** A JWK Set at an address: that of an issuer, or a SPIFFE bundle. */
export function keysAt(url: string, fetchJson: FetchJson, rules: KeyRules): FetchKeySet {
  return async () => readKeySet(await fetchJson(url), rules);
}

/**
 * A JWK Set that an issuer's metadata points to (OpenID Connect Discovery 1.0 §4, RFC 8414 §3). The metadata is read for
 * each fetch, so that an issuer can move its keys.
 *
 * @param issuer      what the metadata's `issuer` has to be, exactly (§4.3)
 * @param isPlainHttpMeant  whether `jwks_uri` may be plain http on another host than this machine
 */
export function discoveredKeys(
  { url, issuer, isPlainHttpMeant }: { url: string; issuer: string; isPlainHttpMeant: boolean },
  fetchJson: FetchJson,
  rules: KeyRules,
): FetchKeySet {
  return async () => {
    const metadata = await fetchJson(url);
    if (typeof metadata !== 'object' || metadata === null) throw new Error('metadata that is not an object');
    if (!('issuer' in metadata) || metadata.issuer !== issuer) throw new Error('metadata of another issuer');
    const jwksUri =
      'jwks_uri' in metadata && typeof metadata.jwks_uri === 'string' ? URL.parse(metadata.jwks_uri) : null;
    if (jwksUri === null || !/^https?:$/.test(jwksUri.protocol)) throw new Error('metadata without a jwks_uri');
    if (jwksUri.protocol === 'http:' && !isPlainHttpMeant && !isLoopbackHost(jwksUri.hostname))
      throw new Error('metadata with a jwks_uri of plain http');
    return readKeySet(await fetchJson(jwksUri.href), rules);
  };
}
