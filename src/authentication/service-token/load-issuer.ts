/**
 * Opens the key set that an issuer's configuration names. What is here (files, the configuration itself) is read and
 * judged at once; what is elsewhere is not asked for before the key set is started.
 */

import { createPublicKey, createSecretKey, type KeyObject, X509Certificate } from 'node:crypto';
import { exportJWK } from 'jose';
import { readHs256Secret, readText } from '../../config/secret-file.ts';
import { ConfigFault, DependencyFault } from '../../errors.ts';
import { type FetchJson, jsonFetcher } from '../../jwt/fetch-json.ts';
import { FixedKeySet, type KeySet } from '../../jwt/key-set.ts';
import { type OwnKey, OwnKeySet } from '../../jwt/own-key-set.ts';
import { RemoteKeySet } from '../../jwt/remote-key-set.ts';
import { discoveredKeys, type FetchKeySet, keysAt } from '../../jwt/sources.ts';
import { type KeyRules, readKeySet } from '../../jwt/verification-keys.ts';
import type { Clock } from '../../lib/clock.ts';
import { NOT_A_CERTIFICATE, readCertificates } from '../../lib/pem.ts';
import { ClusterIssuer } from './cluster.ts';
import { type Issuer, type IssuerDefaults, type IssuerRules, issuerRules, keyRules } from './issuer.ts';
import type { IssuerConfig } from './section.ts';

/** What an issuer needs from outside its configuration. */
export interface IssuerParts {
  readonly defaults: IssuerDefaults;
  /** Our own keys, those that tokens may still be signed by. */
  readonly ownKeys: () => readonly OwnKey[];
  readonly monotonicMs: Clock;
  /** A fetch of keys ended; `problem` may be logged. */
  readonly onFetched: (issuer: string, result: 'refreshed' | 'failed', problem: string | null) => void;
}

/**
 * Opens an issuer. Its key set is not started.
 *
 * @throws ConfigFault that names the file and the fault
 */
export async function loadIssuer(name: string, config: IssuerConfig, parts: IssuerParts): Promise<Issuer> {
  const rules = issuerRules(config, parts.defaults);
  const opened = await openKeySet(name, config, rules, parts);
  return opened instanceof ClusterKeys
    ? { name, rules, keys: opened.keys, learnt: rules.profile.issuer === null ? opened.issuer : null }
    : { name, rules, keys: opened, learnt: null };
}

class ClusterKeys {
  readonly issuer: ClusterIssuer;
  readonly keys: KeySet;

  constructor(issuer: ClusterIssuer, keys: KeySet) {
    this.issuer = issuer;
    this.keys = keys;
  }
}

async function openKeySet(
  name: string,
  config: IssuerConfig,
  rules: IssuerRules,
  parts: IssuerParts,
): Promise<KeySet | ClusterKeys> {
  const { jwks, jwksFile, jwksUrl, discovery, publicKeyFile, secretFile, kubernetes, spiffe, issuer = '' } = config;
  const bundleFile = jwksFile ?? spiffe?.bundleFile;
  if (jwks !== undefined) return fixedKeySet(`issuers.${name}.jwks`, jwks, keyRules(rules));
  if (bundleFile !== undefined) return fixedKeySet(bundleFile, await readJson(bundleFile), keyRules(rules));
  if (publicKeyFile !== undefined) return fixedKeySet(publicKeyFile, await readPem(publicKeyFile), keyRules(rules));
  if (secretFile !== undefined) return secretKeySet(secretFile);
  if (kubernetes !== undefined) {
    const cluster = new ClusterIssuer(kubernetes.tokenFile, parts.monotonicMs);
    const fetchJson = jsonFetcher({
      timeoutMs: config.fetch.timeout,
      ca: () => readText(kubernetes.caFile),
      bearer: () => cluster.bearer(),
    });
    const url = new URL('/openid/v1/jwks', kubernetes.apiServer).href;
    return new ClusterKeys(cluster, remoteKeySet(name, config, keysAt(url, fetchJson, keyRules(rules)), parts));
  }
  const url = jwksUrl ?? spiffe?.bundleUrl;
  if (url !== undefined) {
    return remoteKeySet(name, config, keysAt(url, await fetcherOf(name, config), keyRules(rules)), parts);
  }
  if (discovery !== undefined) {
    const place = { url: discovery, issuer, isPlainHttpMeant: config.fetch.insecureHttp };
    return remoteKeySet(name, config, discoveredKeys(place, await fetcherOf(name, config), keyRules(rules)), parts);
  }
  return new OwnKeySet(parts.ownKeys);
}

async function fetcherOf(name: string, { fetch }: IssuerConfig): Promise<FetchJson> {
  const { caFile, timeout: timeoutMs } = fetch;
  // Once now, so that a file that cannot be used is a mistake in the configuration.
  if (caFile !== undefined && readCertificates(await readText(caFile)) === null) {
    throw new ConfigFault(`${caFile} ${NOT_A_CERTIFICATE}`, { key: ['issuers', name, 'fetch', 'caFile'] });
  }
  return jsonFetcher({ timeoutMs, ca: caFile === undefined ? null : () => readText(caFile), bearer: null });
}

function remoteKeySet(name: string, { fetch }: IssuerConfig, fetchKeys: FetchKeySet, parts: IssuerParts): KeySet {
  const { refreshEvery: refreshEveryMs, maxStale: maxStaleMs, coolDown: coolDownMs } = fetch;
  return new RemoteKeySet(fetchKeys, { refreshEveryMs, maxStaleMs, coolDownMs }, parts.monotonicMs, {
    onFetched: (result, problem) => parts.onFetched(name, result, problem),
    unavailable: () => new DependencyFault('jwks_unavailable', 'no usable key set of the issuer'),
  });
}

/**
 * Keys that the operator has written down. One that must not verify anything is a mistake, not something to leave out
 * (JWT-07, JWT-43).
 *
 * @param place  how the fault names where they are
 */
export async function fixedKeySet(place: string, document: unknown, rules: KeyRules): Promise<FixedKeySet> {
  const { keys, refused } = await readKeySet(document, rules).catch((cause: Error) => {
    throw new ConfigFault(`${place} is ${cause.message}`, { cause });
  });
  if (refused.length > 0) throw new ConfigFault(`${place} has ${refused.join(', ')}`);
  if (keys.length === 0) throw new ConfigFault(`${place} has no key for ${rules.algorithms.join(', ')}`);
  return new FixedKeySet(keys);
}

async function secretKeySet(path: string): Promise<FixedKeySet> {
  const byAlgorithm = new Map([['HS256', createSecretKey(await readHs256Secret(path))]]);
  return new FixedKeySet([{ kid: null, thumbprint: 'secret', byAlgorithm }]);
}

async function readPem(path: string): Promise<unknown> {
  const pem = await readText(path);
  try {
    if (pem.includes('PRIVATE KEY')) throw new ConfigFault(`${path} has a private key: give the public one`);
    const key = pem.includes('CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
    return { keys: [await exportJWK(key as KeyObject)] };
  } catch (cause) {
    if (cause instanceof ConfigFault) throw cause;
    throw new ConfigFault(`${path} is not a public key or certificate in PEM`, { cause });
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readText(path));
  } catch (cause) {
    throw cause instanceof ConfigFault ? cause : new ConfigFault(`${path} is not JSON`, { cause });
  }
}
