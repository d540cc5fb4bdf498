/** The plain function: takes an Authorization header, returns the contents of the token or throws a {@link VerifyError}. */

import { decodeCompact } from '../../../src/jwt/compact.ts';
import { jsonFetcher } from '../../../src/jwt/fetch-json.ts';
import { FixedKeySet, type KeySet } from '../../../src/jwt/key-set.ts';
import { accessTokenProfile, type TokenProfile } from '../../../src/jwt/profiles.ts';
import { RememberingVerifier } from '../../../src/jwt/remembering-verifier.ts';
import { RemoteKeySet } from '../../../src/jwt/remote-key-set.ts';
import { keysAt } from '../../../src/jwt/sources.ts';
import { type KeyRules, readKeySet, type VerificationKey } from '../../../src/jwt/verification-keys.ts';
import { isLoopbackHost } from '../../../src/lib/address.ts';
import { type Clocks, systemClocks } from '../../../src/lib/clock.ts';
import { bearerToken } from '../../../src/lib/http/bearer.ts';
import { readVerifiedToken, type VerifiedToken } from './verified-token.ts';
import { VerifyError, type VerifyReason } from './verify-error.ts';

/** Options of {@link createVerifier}. */
export interface VerifierOptions {
  /** `iss`, exactly: the gateway's `upstreamToken.issuer`, or else its first `publicOrigin`. */
  readonly issuer: string;
  /** This service: the `audience` of the gateway's route, or else the name of its upstream. One of several is enough. */
  readonly audience: string | readonly string[];
  /**
   * Where the issuer's keys are. Default: `/.well-known/jwks.json` at the issuer. Plain http only on a loopback host,
   * unless `insecureHttp` allows it: anyone who can change the answer can forge tokens.
   */
  readonly jwksUrl?: string;
  readonly insecureHttp?: boolean;
  /** The keys themselves, a JWK Set (RFC 7517 §5), instead of an address: nothing is fetched. For tests, for example. */
  readonly jwks?: object;
  /** CA of the server with the keys, PEM. Default: the CAs of the system. */
  readonly ca?: string;
  /** Accepted signature algorithms, whatever a token says. Default: ES256. Symmetric ones are not supported. */
  readonly algorithms?: readonly string[];
  /** Accepted `typ` headers, case-insensitive. Default: JWT and at+jwt; a missing one counts as JWT. */
  readonly types?: readonly string[];
  /** Tokens that live longer (`exp` − `iat`) are refused. Default: an hour. */
  readonly maxLifetimeMs?: number;
  /** Leeway for `exp`, `nbf` and `iat`. Default: 30 seconds. */
  readonly clockSkewMs?: number;
  /** How often the keys are fetched in the background, ± 10 %. Default: five minutes. */
  readonly refreshEveryMs?: number;
  /** How long the last good keys are used when fetching fails. Default: an hour. Then `keys_unavailable`. */
  readonly maxStaleMs?: number;
  /** Shortest time between two fetches that tokens with an unknown `kid` cause. Default: 30 seconds. */
  readonly coolDownMs?: number;
  /** Limit for one fetch. Default: five seconds. */
  readonly timeoutMs?: number;
  /**
   * Called last, with the claims of an otherwise valid token; `true` refuses it. Called on every use: nothing is
   * remembered. When it throws or rejects, `verify` rejects with `revocation_unavailable`, a 503.
   */
  readonly isRevoked?: (claims: Readonly<Record<string, unknown>>) => boolean | Promise<boolean>;
  /** Called after every fetch of the keys, for a log or a metric. `why` is fixed text, or `null`. */
  readonly onKeysFetched?: (result: 'refreshed' | 'failed', why: string | null) => void;
  /** The source of time, for tests. Default: the machine's. */
  readonly clocks?: Clocks;
}

/** Verifies tokens of one issuer for one service. */
export interface Verifier {
  /**
   * Verifies one token. Can be called without its object: `const { verify } = createVerifier(…)`.
   *
   * @param credential  an Authorization header with a Bearer token, or the token itself; untrusted
   * @throws VerifyError, as a rejection
   */
  readonly verify: (credential: string | undefined) => Promise<VerifiedToken>;
  /** Stops fetching keys. Not needed for the process to exit. */
  readonly close: () => void;
}

/**
 * Makes a verifier and starts fetching the issuer's keys. Does not wait for them: the first token does.
 *
 * @throws TypeError when the options are invalid
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const verifier = new TokenVerifier(options);
  return Object.freeze({
    verify: (credential: string | undefined) => verifier.verify(credential),
    close: () => verifier.close(),
  });
}

const DEFAULT_ALGORITHMS = ['ES256'];
/** Signature algorithms with a public key: a verifier never holds what it could sign with. */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];

/** Share of the memory that a gateway uses: a service has one issuer and fewer callers. */
const MEMORY_SHARE = 0.25;

class TokenVerifier {
  readonly #verifier: RememberingVerifier<VerifiedToken>;
  readonly #keys: KeySet;
  readonly #isRevoked: NonNullable<VerifierOptions['isRevoked']>;

  constructor(options: VerifierOptions) {
    const { clocks = systemClocks, isRevoked = () => false } = options;
    const profile = profileOf(options);
    this.#keys = openKeySet(options, clocks);
    this.#isRevoked = isRevoked;
    const share = MEMORY_SHARE;
    this.#verifier = new RememberingVerifier({ profile, keys: this.#keys, clocks, read: readVerifiedToken, share });
  }

  async verify(credential: string | undefined): Promise<VerifiedToken> {
    if (credential === undefined || credential === '') throw new VerifyError('missing');
    const compact = credential.includes(' ') ? bearerToken(credential) : credential;
    if (compact === null) throw new VerifyError('not_bearer');
    const token = this.#verifier.recall(compact) ?? (await this.#verifyAnew(compact));
    if (typeof token === 'string') throw new VerifyError(token);
    if (await this.#revoked(token.claims)) throw new VerifyError('revoked');
    return token;
  }

  close(): void {
    this.#keys.close();
  }

  async #verifyAnew(compact: string): Promise<VerifiedToken | VerifyReason> {
    const decoded = decodeCompact(compact);
    if (decoded === null) return 'malformed';
    try {
      // `party` is about a rule that the profile does not have.
      return (await this.#verifier.verify(compact, decoded)) as VerifiedToken | VerifyReason;
    } catch (cause) {
      throw new VerifyError('keys_unavailable', { cause });
    }
  }

  async #revoked(claims: Readonly<Record<string, unknown>>): Promise<boolean> {
    try {
      return (await this.#isRevoked(claims)) !== false;
    } catch (cause) {
      throw new VerifyError('revocation_unavailable', { cause });
    }
  }
}

function profileOf(options: VerifierOptions): TokenProfile {
  const { issuer, audience, algorithms = DEFAULT_ALGORITHMS, types = ['JWT', 'at+jwt'] } = options;
  if (typeof issuer !== 'string' || issuer === '') throw new TypeError('issuer: who signs the tokens, as `iss` has it');
  const audiences = [audience].flat();
  if (audiences.length === 0 || audiences.some((name) => typeof name !== 'string' || name === ''))
    throw new TypeError('audience: one or more names of this service, as `aud` has them');
  if (algorithms.length === 0 || !algorithms.every((algorithm) => ALGORITHMS.includes(algorithm)))
    throw new TypeError(`algorithms: one or more of ${ALGORITHMS.join(', ')}`);
  const { maxLifetimeMs = 3_600_000, clockSkewMs = 30_000 } = options;
  const authorizedParties = null;
  return accessTokenProfile({ issuer, algorithms, audiences, types, authorizedParties, maxLifetimeMs, clockSkewMs });
}

function openKeySet(options: VerifierOptions, clocks: Clocks): KeySet {
  const { algorithms = DEFAULT_ALGORITHMS, ca, jwks, timeoutMs = 5_000 } = options;
  const { refreshEveryMs = 300_000, maxStaleMs = 3_600_000, coolDownMs = 30_000 } = options;
  const keyRules = { algorithms, use: 'sig' } as const;
  if (jwks !== undefined) return new LateKeySet(fixedKeySet(jwks, keyRules));
  const fetchJson = jsonFetcher({ timeoutMs, ca: ca === undefined ? null : async () => ca, bearer: null });
  const keySet = new RemoteKeySet(
    keysAt(keysAddress(options), fetchJson, keyRules),
    { refreshEveryMs, maxStaleMs, coolDownMs },
    clocks.monotonicMs,
    { onFetched: options.onKeysFetched ?? (() => {}), unavailable: () => new Error('no usable key set of the issuer') },
  );
  keySet.start();
  return keySet;
}

/** A set that is still being read; tokens wait for it. */
class LateKeySet implements KeySet {
  readonly isFetched = false;
  readonly mayRefetch = false;
  readonly ageMs = 0;
  readonly #reading: Promise<KeySet>;
  #keys: KeySet | null = null;

  constructor(reading: Promise<KeySet>) {
    this.#reading = reading;
    reading.then(
      (keys) => {
        this.#keys = keys;
      },
      // Reported by `find` to the tokens that wait for it.
      () => {},
    );
  }

  find(kid: string | null, algorithm: string): ReturnType<KeySet['find']> {
    return this.#keys === null
      ? this.#reading.then((keys) => keys.find(kid, algorithm))
      : this.#keys.find(kid, algorithm);
  }

  holds(key: VerificationKey): boolean {
    return this.#keys?.holds(key) === true;
  }

  list(): readonly VerificationKey[] {
    return this.#keys?.list() ?? [];
  }

  refetch(): null {
    return null;
  }

  start(): void {}
  close(): void {}
}

async function fixedKeySet(jwks: object, keyRules: KeyRules): Promise<KeySet> {
  const { keys, refused } = await readKeySet(jwks, keyRules);
  if (keys.length === 0) throw new Error(`jwks: no usable key; ${refused.join(', ') || 'none was refused'}`);
  return new FixedKeySet(keys);
}

function keysAddress({ issuer, jwksUrl, insecureHttp = false }: VerifierOptions): string {
  const written = jwksUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`;
  const url = URL.parse(written);
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new TypeError('jwksUrl: an http or https address, needed if the issuer is not one');
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname) && !insecureHttp)
    throw new TypeError('jwksUrl: plain http to another host; use https, or say insecureHttp if that is meant');
  return url.href;
}
