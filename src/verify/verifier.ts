/** The plain function: an Authorization header in, what the token says out, or a {@link VerifyError}. */

import { endOf, type IssuerRules, ruleProblem } from '../authentication/service-token/rules.ts';
import { type DecodedToken, decodeCompact } from '../jwt/compact.ts';
import { jsonFetcher } from '../jwt/fetch-json.ts';
import { FixedKeySet, type KeySet } from '../jwt/key-set.ts';
import { RemoteKeySet } from '../jwt/remote-key-set.ts';
import { isSignedBy } from '../jwt/signature.ts';
import { keysAt } from '../jwt/sources.ts';
import { type KeyRules, readKeySet, type VerificationKey } from '../jwt/verification-keys.ts';
import { isLoopbackHost } from '../lib/address.ts';
import { bearerToken } from '../lib/bearer.ts';
import { type Clocks, systemClocks } from '../lib/clock.ts';
import { RecentMap } from '../lib/recent-map.ts';
import { readVerifiedToken, type VerifiedToken } from './verified-token.ts';
import { VerifyError, type VerifyReason } from './verify-error.ts';

export interface VerifierOptions {
  /** `iss`, exactly: the gateway's `upstreamToken.issuer`, or else its first `publicOrigin`. */
  readonly issuer: string;
  /** Who we are: the `audience` of the gateway's route, or else the name of its upstream. One of several is enough. */
  readonly audience: string | readonly string[];
  /**
   * Where the issuer's keys are. Default: `/.well-known/jwks.json` at the issuer. Plain http only on a loopback host,
   * unless `insecureHttp` says that it is meant: whoever can change the answer can make tokens.
   */
  readonly jwksUrl?: string;
  readonly insecureHttp?: boolean;
  /** The keys themselves, a JWK Set (RFC 7517 §5), instead of an address: nothing is fetched. For tests, for example. */
  readonly jwks?: object;
  /** CA of the server that has the keys, PEM. Default: the CAs of the system. */
  readonly ca?: string;
  /** Accepted signature algorithms, whatever a token says. Default: ES256. Symmetric ones do not exist here. */
  readonly algorithms?: readonly string[];
  /** Accepted `typ` headers, case-insensitive. Default: JWT and at+jwt; a missing one counts as JWT. */
  readonly types?: readonly string[];
  /** Tokens that live longer (`exp` − `iat`) are refused. Default: an hour. */
  readonly maxLifetimeMs?: number;
  /** Leeway for `exp`, `nbf` and `iat`. Default: 30 seconds. */
  readonly clockSkewMs?: number;
  /** How often the keys are fetched in the background, give or take a tenth. Default: five minutes. */
  readonly refreshEveryMs?: number;
  /** How long the last good keys are used when no new ones can be had. Default: an hour. Then `keys_unavailable`. */
  readonly maxStaleMs?: number;
  /** Shortest time between two fetches that tokens with an unknown `kid` cause. Default: 30 seconds. */
  readonly coolDownMs?: number;
  /** For one fetch. Default: five seconds. */
  readonly timeoutMs?: number;
  /**
   * Asked last, with the claims of a token that is good otherwise; `true` refuses it. Nothing is remembered: it is asked
   * each time. When it throws or rejects, so does `verify`: with `revocation_unavailable`, a 503, never with a yes.
   */
  readonly isRevoked?: (claims: Readonly<Record<string, unknown>>) => boolean | Promise<boolean>;
  /** Told of every fetch of the keys: for a log or a metric. `why` is in fixed words, or `null`. */
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
  /** Stops to fetch keys. Not needed to let the process end. */
  readonly close: () => void;
}

/**
 * Makes a verifier, and begins to fetch the issuer's keys. Does not wait for them: the first token does.
 *
 * @throws TypeError when the options cannot be right
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const verifier = new TokenVerifier(options);
  return Object.freeze({
    verify: (credential: string | undefined) => verifier.verify(credential),
    close: () => verifier.close(),
  });
}

/** Signature algorithms with a public key: a verifier never holds what it could sign with. */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];

/** Of all tokens that are remembered together, in characters; twice that is kept at most. */
const MAX_REMEMBERED_CHARACTERS = 1024 * 1024;

/** A token whose signature was verified. */
interface Remembered {
  readonly token: VerifiedToken;
  readonly key: VerificationKey;
  /** From when it is refused; wall clock. */
  readonly endsAtMs: number;
}

class TokenVerifier {
  readonly #rules: IssuerRules;
  readonly #keys: KeySet | Promise<KeySet>;
  readonly #isRevoked: NonNullable<VerifierOptions['isRevoked']>;
  readonly #clocks: Clocks;
  /** The gateway sends a token again until three quarters of its life are over. */
  readonly #remembered = new RecentMap<Remembered>(MAX_REMEMBERED_CHARACTERS);

  constructor(options: VerifierOptions) {
    const { clocks = systemClocks } = options;
    this.#rules = rulesOf(options);
    this.#isRevoked = options.isRevoked ?? (() => false);
    this.#clocks = clocks;
    this.#keys = openKeySet(options, this.#rules, clocks);
  }

  async verify(credential: string | undefined): Promise<VerifiedToken> {
    if (credential === undefined || credential === '') throw new VerifyError('missing');
    const compact = credential.includes(' ') ? bearerToken(credential) : credential;
    if (compact === null) throw new VerifyError('not_bearer');
    const token = (await this.#verifiedBefore(compact)) ?? (await this.#verifyAnew(compact));
    if (await this.#revoked(token.claims)) throw new VerifyError('revoked');
    return token;
  }

  close(): void {
    // A set that never came about has nothing to close.
    Promise.resolve(this.#keys).then(
      (keys) => keys.close(),
      () => {},
    );
  }

  /** A token is found by itself, whole: nothing shorter could be mistaken for it (JWT-49). */
  async #verifiedBefore(compact: string): Promise<VerifiedToken | null> {
    const remembered = this.#remembered.get(compact);
    if (remembered === undefined) return null;
    if (this.#clocks.wallMs() >= remembered.endsAtMs) throw new VerifyError('expired');
    return (await this.#keys).holds(remembered.key) ? remembered.token : null;
  }

  async #verifyAnew(compact: string): Promise<VerifiedToken> {
    const decoded = decodeCompact(compact);
    if (decoded === null) throw new VerifyError('malformed');
    const { payload } = decoded;
    if (payload['iss'] !== this.#rules.issuer) throw new VerifyError('issuer');
    // All of this before the keys: what is refused anyhow makes nobody fetch them.
    const problem = ruleProblem(decoded, this.#rules, this.#clocks.wallMs());
    // `party` is about a rule that there is none of here.
    if (problem !== null) throw new VerifyError(problem as VerifyReason);
    const token = readVerifiedToken(payload);
    if (token === null) throw new VerifyError('claims');
    const key = await this.#verifySignature(compact, decoded);
    this.#remembered.set(compact, { token, key, endsAtMs: endOf(payload, this.#rules) });
    return token;
  }

  /** @returns the key by which it is signed */
  async #verifySignature(compact: string, { header }: DecodedToken): Promise<VerificationKey> {
    const { alg, kid = null } = header as { readonly alg: string; readonly kid?: string };
    const key = await this.#find(kid, alg);
    if (key === null) throw new VerifyError('key');
    if (!isSignedBy(compact, key, alg)) throw new VerifyError('signature');
    return key;
  }

  async #find(kid: string | null, algorithm: string): Promise<VerificationKey | null> {
    try {
      return await (await this.#keys).find(kid, algorithm);
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

function rulesOf(options: VerifierOptions): IssuerRules {
  const { issuer, audience, algorithms = ['ES256'], types = ['JWT', 'at+jwt'] } = options;
  if (typeof issuer !== 'string' || issuer === '') throw new TypeError('issuer: who signs the tokens, as `iss` has it');
  const audiences = [audience].flat();
  if (audiences.length === 0 || audiences.some((name) => typeof name !== 'string' || name === ''))
    throw new TypeError('audience: one or more names of this service, as `aud` has them');
  if (algorithms.length === 0 || !algorithms.every((algorithm) => ALGORITHMS.includes(algorithm)))
    throw new TypeError(`algorithms: one or more of ${ALGORITHMS.join(', ')}`);
  return {
    profile: 'jwt',
    issuer,
    trustDomain: null,
    algorithms,
    audiences,
    types: new Set(types.map((type) => type.toLowerCase().replace(/^application\//, ''))),
    authorizedParties: null,
    maxLifetimeMs: options.maxLifetimeMs ?? 3_600_000,
    clockSkewMs: options.clockSkewMs ?? 30_000,
  };
}

function openKeySet(options: VerifierOptions, rules: IssuerRules, clocks: Clocks): KeySet | Promise<KeySet> {
  const { ca, jwks, timeoutMs = 5_000 } = options;
  const { refreshEveryMs = 300_000, maxStaleMs = 3_600_000, coolDownMs = 30_000 } = options;
  const keyRules = { algorithms: rules.algorithms, use: 'sig' } as const;
  if (jwks !== undefined) return fixedKeySet(jwks, keyRules);
  const fetchJson = jsonFetcher({ timeoutMs, ca: ca === undefined ? null : async () => ca, bearer: null });
  const keySet = new RemoteKeySet(
    keysAt(keysAddress(options), fetchJson, keyRules),
    { refreshEveryMs, maxStaleMs, coolDownMs },
    clocks.monotonicMs,
    { onFetched: options.onKeysFetched ?? (() => {}) },
  );
  keySet.start();
  return keySet;
}

function fixedKeySet(jwks: object, keyRules: KeyRules): Promise<KeySet> {
  const read = readKeySet(jwks, keyRules).then(({ keys, refused }) => {
    if (keys.length === 0) throw new Error(`jwks: no usable key; ${refused.join(', ') || 'none was refused'}`);
    return new FixedKeySet(keys);
  });
  // Told to whoever verifies; nobody may have asked yet.
  read.catch(() => {});
  return read;
}

function keysAddress({ issuer, jwksUrl, insecureHttp = false }: VerifierOptions): string {
  const written = jwksUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`;
  const url = URL.parse(written);
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new TypeError('jwksUrl: an http or https address, needed where the issuer is none');
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname) && !insecureHttp)
    throw new TypeError('jwksUrl: plain http to another host; use https, or say insecureHttp if that is meant');
  return url.href;
}
