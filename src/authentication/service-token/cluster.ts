/**
 * The issuer of the Kubernetes cluster that this runs in: `iss` from the pod's own token, keys from the API server.
 *
 * The keys are read at the API server's `/openid/v1/jwks`, not at the advertised `jwks_uri`, which names an address for
 * clients outside. Token and CA are read from their files each time, since kubelet replaces them. Nothing is requested
 * before it is needed, and the last answer stays in use when a later request fails: a pod without a token accepts no tokens
 * of the cluster, and those of all other issuers.
 *
 * When `--service-account-issuer` changes, a cluster has two issuers until kubelet has replaced every token, the pod's own
 * included. So the API server is asked for the new one, and the one before stays accepted for as long as its tokens can
 * live. Every token has to be signed by a key that the API server has now.
 */

import { readTokenFile } from '../../config/files/secret-file.ts';
import { decodeCompact } from '../../jwt/compact.ts';
import type { FetchJson } from '../../jwt/fetch-json.ts';
import type { Clock } from '../../lib/clock.ts';

/** Shortest time between two requests for the issuer that tokens of unknown issuers cause. */
const RELEARN_MS = 10_000;

/** The names of an issuer whose `iss` is not in the configuration. */
export interface LearntIssuer {
  /** Whether it was ever learnt. */
  readonly hasLearnt: boolean;
  /** Whether tokens with this `iss` are its tokens. */
  knows(iss: unknown): boolean;
  /** Whether {@link learn} may find out more: at most once in ten seconds. */
  mayLearn(): boolean;
  /** Asks whether this is its name, or joins the request in progress. Never rejects. */
  learn(iss: string): Promise<void>;
}

interface ClusterIssuerParts {
  /** Of the pod's own token. */
  readonly tokenFile: string;
  /** Where the API server says who it is (OpenID Connect Discovery 1.0 §4). */
  readonly metadataUrl: string;
  readonly fetchJson: FetchJson;
  /** How long the tokens of an issuer that is replaced can live. */
  readonly keptMs: number;
  readonly monotonicMs: Clock;
}

/** The issuer of a Kubernetes cluster, which is learnt from the gateway's own token and from the API server. */
export class ClusterIssuer implements LearntIssuer {
  readonly #parts: ClusterIssuerParts;
  #current: ReadonlySet<string> = new Set();
  /** Those before, and until when they are accepted. */
  readonly #earlier = new Map<string, number>();
  #learntAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | null = null;

  constructor(parts: ClusterIssuerParts) {
    this.#parts = parts;
  }

  get hasLearnt(): boolean {
    return this.#current.size > 0;
  }

  knows(iss: unknown): boolean {
    if (typeof iss !== 'string') return false;
    return this.#current.has(iss) || (this.#earlier.get(iss) ?? Number.NEGATIVE_INFINITY) > this.#parts.monotonicMs();
  }

  mayLearn(): boolean {
    return this.#underWay !== null || this.#parts.monotonicMs() - this.#learntAtMs >= RELEARN_MS;
  }

  learn(iss: string): Promise<void> {
    this.#underWay ??= this.#learn(iss).finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  /** Nothing is verified: it only selects whose keys are asked for, and those come from the API server. */
  async #learn(iss: string): Promise<void> {
    this.#learntAtMs = this.#parts.monotonicMs();
    const own = await this.#ownIssuer();
    const stated = [own, own === iss ? null : await this.#statedIssuer()];
    // Legacy tokens, which never expire, have an issuer that is not a URL.
    const names = new Set(stated.filter((name) => typeof name === 'string' && URL.canParse(name)) as string[]);
    if (names.size === 0) return;
    const untilMs = this.#parts.monotonicMs() + this.#parts.keptMs;
    for (const name of this.#current) if (!names.has(name)) this.#earlier.set(name, untilMs);
    this.#current = names;
  }

  async #ownIssuer(): Promise<unknown> {
    const token = await readTokenFile(this.#parts.tokenFile).catch(() => '');
    return decodeCompact(token)?.payload['iss'];
  }

  async #statedIssuer(): Promise<unknown> {
    const metadata = await this.#parts.fetchJson(this.#parts.metadataUrl).catch(() => null);
    return typeof metadata === 'object' && metadata !== null && 'issuer' in metadata ? metadata.issuer : null;
  }
}
