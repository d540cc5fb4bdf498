/** Service tokens that the gateway signs for the workload: `sub` is the workload, `aud` the destination's audience. */

import type { Clocks } from '../lib/clock.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import type { Keyring } from '../token/keyring.ts';
import { KeptToken } from './kept-token.ts';
import type { Source, Token, TokenParts } from './token-parts.ts';

/** One such token, renewed after three quarters of its lifetime and when another key becomes active. */
export class OwnToken implements Source {
  readonly #keyring: Keyring;
  readonly #newToken: () => KeptToken;
  #kept: KeptToken;
  #kid: string | null = null;

  constructor(
    audience: string,
    { scopes, lifetimeMs }: { readonly scopes: readonly string[]; readonly lifetimeMs: number },
    { issuer, keyring, revoked, workload }: TokenParts,
    { wallMs }: Clocks,
  ) {
    this.#keyring = keyring;
    const request = {
      subject: workload,
      presentedIssuer: null,
      audience,
      scopes: new Set(scopes),
      actor: null,
      sid: null,
      lifetimeMs,
      notAfterMs: Number.POSITIVE_INFINITY,
      claims: {},
      typ: 'JWT',
    } as const;
    this.#newToken = () => new KeptToken(async () => issuer.issue(request), revoked, wallMs);
    this.#kept = this.#newToken();
  }

  get(): Token {
    const { kid } = this.#keyring.active();
    if (kid !== this.#kid) {
      this.#kid = kid;
      this.#kept = this.#newToken();
    }
    return this.#kept.get();
  }

  refused(_presented: CompactToken | null, token: CompactToken): boolean {
    return this.#kept.refused(null, token);
  }
}
