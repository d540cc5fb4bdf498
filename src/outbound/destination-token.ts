/**
 * The token stage of the outbound side: each destination gets the token that its configuration names, and never another.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Permit } from '../authorization/permit.ts';
import { Denial } from '../errors.ts';
import type { Clocks } from '../lib/clock.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import type { TokenSource } from '../token/token-source.ts';
import { AuthorizationServer } from './authorization-server.ts';
import { ExchangedTokens } from './exchanged-tokens.ts';
import { type DestinationTokenEvents, KeptToken } from './kept-token.ts';
import { OwnToken } from './own-token.ts';
import { ProjectedToken } from './projected-token.ts';
import { type DestinationConfig, MISSING_TOKEN_LIFETIME_MS } from './section.ts';
import type { Source, Token, TokenParts } from './token-parts.ts';

/** The tokens of all destinations, by route. */
export class DestinationTokens implements TokenSource {
  readonly #byIndex: readonly DestinationToken[];
  readonly #firstIndex: number;

  /** @param tokens  in the order of the destinations, whose routes are numbered from `firstIndex` */
  constructor(tokens: readonly DestinationToken[], firstIndex: number) {
    this.#byIndex = tokens;
    this.#firstIndex = firstIndex;
  }

  /** @throws DependencyFault `token_unavailable` | `signing_key_unavailable` */
  forPermit({ principal, route }: Permit): Token {
    const token = this.#byIndex[route.index - this.#firstIndex];
    // Only the workload gets a permit here, and every destination has a token.
    if (token === undefined || principal.credential === null) throw new TypeError('not a destination');
    return token.get(principal.credential.compact);
  }

  refused({ principal, route }: Permit, token: CompactToken): boolean {
    const source = this.#byIndex[route.index - this.#firstIndex];
    return source?.refused(principal.credential?.compact ?? null, token) === true;
  }
}

/** The token of one destination. */
export class DestinationToken {
  readonly #settings: object;
  readonly #server: AuthorizationServer | null;
  readonly #source: Source;
  readonly #events: DestinationTokenEvents;
  readonly #clocks: Clocks;

  /** @param ca  of its authorization server, PEM; `null` for the CAs of the system */
  constructor(
    config: DestinationConfig,
    ca: string | null,
    parts: TokenParts,
    clocks: Clocks,
    events: DestinationTokenEvents,
  ) {
    this.#settings = settingsOf(config, ca, parts);
    this.#events = events;
    this.#clocks = clocks;
    const server = config.token.clientCredentials ?? config.token.exchange;
    this.#server = server === undefined ? null : new AuthorizationServer(server, ca, clocks);
    this.#source = sourceOf(config, parts, this.#server, clocks);
  }

  /** Whether a configuration gives the same token, so that a kept one can be reused. */
  isMadeBy(config: DestinationConfig, ca: string | null, parts: TokenParts): boolean {
    return isDeepStrictEqual(this.#settings, settingsOf(config, ca, parts));
  }

  /**
   * The token that goes with a call.
   *
   * @param presented  the token that the call carried, not verified; `null` for none, or where none is exchanged
   */
  get(presented: CompactToken | null): Token {
    const token = this.#source.get(presented);
    if (token instanceof Promise) return this.#counted(token);
    this.#events.onResult(token instanceof Denial ? 'refused' : 'reused');
    return token;
  }

  /** The destination has refused a token. @returns whether another one can be asked for */
  refused(presented: CompactToken | null, token: CompactToken): boolean {
    return this.#source.refused(presented, token);
  }

  /** Ends fetches in progress. */
  close(): void {
    this.#server?.close();
  }

  async #counted(waiting: Promise<CompactToken | Denial>): Promise<CompactToken | Denial> {
    const startedMs = this.#clocks.monotonicMs();
    try {
      const token = await waiting;
      this.#events.onResult(token instanceof Denial ? 'refused' : 'obtained');
      this.#events.onObtained(this.#clocks.monotonicMs() - startedMs);
      return token;
    } catch (fault) {
      this.#events.onResult('failed');
      throw fault;
    }
  }
}

/** Everything that decides about a token. */
const settingsOf = (
  { id, token, audience, upstream }: DestinationConfig,
  ca: string | null,
  parts: TokenParts,
): object => ({
  // Labels its metrics.
  id,
  token,
  ca,
  audience: audience ?? upstream,
  workload: parts.workload,
  issuer: parts.issuerName,
});

function sourceOf(
  config: DestinationConfig,
  parts: TokenParts,
  server: AuthorizationServer | null,
  clocks: Clocks,
): Source {
  const { service, kubernetes, clientCredentials, exchange } = config.token;
  const audience = config.audience ?? config.upstream;
  if (service !== undefined) {
    const { scopes, lifetime: lifetimeMs } = service;
    return new OwnToken(audience, { scopes, lifetimeMs }, parts, clocks);
  }
  if (kubernetes !== undefined) return new ProjectedToken(kubernetes.tokenFile, clocks);
  if (server === null) throw new TypeError('a destination has exactly one kind of token');
  if (clientCredentials !== undefined) {
    const parameters = {
      grant_type: 'client_credentials',
      ...scopeParameter(clientCredentials.scopes),
      ...(clientCredentials.audience !== undefined && { audience: clientCredentials.audience }),
    };
    return new KeptToken(() => server.token(parameters), parts.revoked, clocks.wallMs);
  }
  const settings = exchange as NonNullable<typeof exchange>;
  const lifetimeMs = MISSING_TOKEN_LIFETIME_MS;
  const fallback =
    settings.whenMissing === 'refuse'
      ? null
      : new OwnToken(audience, { scopes: settings.scopes, lifetimeMs }, parts, clocks);
  const parameters = { audience, ...scopeParameter(settings.scopes) };
  const { revoked } = parts;
  return new ExchangedTokens(parameters, server, fallback, { revoked, maxEntries: settings.maxEntries }, clocks);
}

const scopeParameter = (scopes: readonly string[]) => (scopes.length === 0 ? {} : { scope: scopes.join(' ') });
