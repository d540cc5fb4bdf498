/**
 * The issuer of the Kubernetes cluster that this runs in: `iss` from the pod's own token, keys from the API server.
 *
 * The keys are read at the API server's `/openid/v1/jwks`, not at the advertised `jwks_uri`, which names an address for
 * those outside. Token and CA are read from their files each time, since kubelet replaces them. Everything is asked for
 * only when it is needed, and the last answer stays in use when a later request fails: a pod that has no token accepts
 * none of the cluster's, and all of the others'.
 */

import { readTokenFile } from '../../config/secret-file.ts';
import { decodeCompact } from '../../jwt/compact.ts';
import type { Clock } from '../../lib/clock.ts';

/** How often the pod's own token is read for tokens of an issuer that is not known. */
const RELEARN_MS = 10_000;

/** What an issuer whose `iss` is not in the configuration is called. */
export interface LearntIssuer {
  /** The `iss` that was last learnt; `null` when it never was. */
  readonly current: string | null;
  /** Whether asking again may tell more: it does so once in ten seconds. */
  mayLearn(): boolean;
  /** Asks again, or joins the asking that is under way. Never rejects. */
  learn(): Promise<void>;
}

/** The issuer of a Kubernetes cluster, which is learnt from the gateway's own token. */
export class ClusterIssuer implements LearntIssuer {
  readonly #tokenFile: string;
  readonly #monotonicMs: Clock;
  #current: string | null = null;
  #learntAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | null = null;

  constructor(tokenFile: string, monotonicMs: Clock) {
    this.#tokenFile = tokenFile;
    this.#monotonicMs = monotonicMs;
  }

  get current(): string | null {
    return this.#current;
  }

  mayLearn(): boolean {
    return this.#underWay !== null || this.#monotonicMs() - this.#learntAtMs >= RELEARN_MS;
  }

  learn(): Promise<void> {
    this.#underWay ??= this.#learn().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  /**
   * The token by which the API server lets this pod read its keys.
   *
   * @throws ConfigFault when the file cannot be read
   */
  async bearer(): Promise<string> {
    return readTokenFile(this.#tokenFile);
  }

  /** Nothing is verified: it only selects whose keys are asked for, and those come from the API server. */
  async #learn(): Promise<void> {
    this.#learntAtMs = this.#monotonicMs();
    const token = await this.bearer().catch(() => '');
    const issuer = decodeCompact(token)?.payload['iss'];
    // Legacy tokens, which never expire, have an issuer that is not a URL.
    if (typeof issuer === 'string' && URL.canParse(issuer)) this.#current = issuer;
  }
}
