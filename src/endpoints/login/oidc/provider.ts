/**
 * oidc: people log in with an identity provider (OpenID Connect Core 1.0 §3.1, OAuth 2.0), of which the gateway is the client.
 *
 * Input: a request to start a login, and the answer with which the provider sends the browser back. Output: a session, or a
 * page that says what went wrong, with a link to continue. Protocol by openid-client; what it leaves to its caller is
 * here: which browser a login belongs to, signatures of ID tokens, who may log in. A provider that does not answer is
 * 503; nobody who is logged in notices.
 *
 * This file is one provider: its metadata and keys, fetched in the background as those of issuers are
 * (`jwt/remote-key-set.ts`), and what the protocol library needs to ask it.
 */

import type { Configuration, CustomFetch } from 'openid-client';
import { jsonFetcher } from '../../../jwt/fetch-json.ts';
import { FixedKeySet, type KeySet } from '../../../jwt/key-set.ts';
import { RemoteKeySet } from '../../../jwt/remote-key-set.ts';
import { readKeySet } from '../../../jwt/verification-keys.ts';
import type { Clocks } from '../../../lib/clock.ts';
import { settledWithin } from '../../../lib/concurrency/settled-within.ts';
import type { Turns } from '../../../lib/concurrency/turns.ts';
import type { Logger } from '../../../telemetry/log.ts';
import { ClientConfigurations, protocolLibrary } from './client-configuration.ts';
import type { ProviderFiles } from './client-credential.ts';
import { fixedMetadata, ID_TOKEN_ALGORITHMS, metadataUrl, type ProviderMetadata, readMetadata } from './metadata.ts';
import type { ProviderCall, ProviderSeries } from './series.ts';
import type { ProviderSettings } from './settings.ts';
import type { KeptTokens } from './tokens/provider-tokens.ts';
import { ProviderTransport, providerUnavailable } from './transport.ts';

/** How long the last good metadata and keys stay in use while the provider cannot be reached. */
const MAX_STALE_MS = 86_400_000;
/** Shortest time between two fetches that logins cause. */
const COOL_DOWN_MS = 10_000;

/** What providers are opened with. */
export interface ProviderSurroundings {
  readonly clocks: Clocks;
  readonly log: Logger;
  readonly series: ProviderSeries;
  /** In which its answers are dealt with. */
  readonly turns: Turns;
}

/** How long work that must not be cut off holds up the end of a process, or of a configuration. */
const FINISH_WITHIN_MS = 900;

const printable = (text: string, maxLength: number) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxLength);

/** One identity provider. */
export class IdentityProvider {
  readonly settings: ProviderSettings;
  /** Which of its tokens are kept with the sessions that it opens. */
  readonly kept: KeptTokens;
  /** A `data:` URI; `null` without a logo. */
  readonly logo: string | null;
  /** What it signs ID tokens with. */
  readonly keys: KeySet;
  readonly #files: ProviderFiles;
  readonly #log: Logger;
  readonly #transport: ProviderTransport;
  readonly #configurations: ClientConfigurations;
  readonly #finishing = new Set<Promise<unknown>>();
  #metadata: ProviderMetadata | null = null;

  constructor(
    settings: ProviderSettings,
    kept: KeptTokens,
    files: ProviderFiles,
    { clocks, log, series, turns }: ProviderSurroundings,
  ) {
    const { name, issuer, endpoints, timeoutMs, refreshEveryMs } = settings;
    this.settings = settings;
    this.kept = kept;
    this.logo = files.logo;
    this.#files = files;
    this.#log = log;
    this.#transport = new ProviderTransport(
      { provider: name, timeoutMs, ca: files.ca, certificate: files.certificate },
      { series, turns, monotonicMs: clocks.monotonicMs },
    );
    this.#configurations = new ClientConfigurations({ settings, files, wallMs: clocks.wallMs });
    if (endpoints !== null) {
      this.#metadata = fixedMetadata(endpoints, issuer);
      this.keys = new FixedKeySet([]);
      return;
    }
    this.keys = new RemoteKeySet(
      () => this.#fetch(),
      { refreshEveryMs, maxStaleMs: MAX_STALE_MS, coolDownMs: COOL_DOWN_MS },
      clocks.monotonicMs,
      {
        onFetched: (result, problem) => {
          series.fetches.inc({
            provider: name,
            result: result === 'refreshed' && problem !== null ? 'partial' : result,
          });
          if (result === 'failed')
            log.warn({ provider: name, problem }, 'metadata of an identity provider cannot be used');
          else if (problem !== null)
            log.warn({ provider: name, problem }, 'some keys of an identity provider are unusable');
        },
        unavailable: () => providerUnavailable('no usable metadata and keys'),
      },
    );
  }

  get name(): string {
    return this.settings.name;
  }

  /** How long ago its metadata and keys were last fetched; `null` where they never were, or are not fetched at all. */
  get ageMs(): number | null {
    return this.keys.isFetched ? this.keys.ageMs : null;
  }

  /** Its metadata as far as they are at hand, for what must not wait for the provider; `null` where they were never fetched. */
  get knownMetadata(): ProviderMetadata | null {
    return this.#metadata;
  }

  /** Begins to fetch in the background. */
  start(): void {
    this.keys.start();
    // So that the first login does not wait for it. A failure shows in that login.
    protocolLibrary().catch(() => {});
  }

  /**
   * Notes work in the background that must not be cut off, such as a refresh: a token that is issued but not stored is lost. The
   * caller handles the result.
   */
  finishing(work: Promise<unknown>): void {
    const noted: Promise<unknown> = work.catch(() => {}).then(() => this.#finishing.delete(noted));
    this.#finishing.add(noted);
  }

  /** Closes its connections, once what must not be cut off is done, or after a moment. */
  async close(): Promise<void> {
    this.keys.close();
    await settledWithin(Promise.all(this.#finishing), FINISH_WITHIN_MS);
    this.#transport.close();
  }

  /**
   * Its metadata. Waits for a fetch where there are none yet.
   *
   * @throws DependencyFault `provider_unavailable`, as a rejection
   */
  async metadata(): Promise<ProviderMetadata> {
    // Asks for no key in particular: rejects where the last good fetch is missing or too old.
    if (this.keys.isFetched && (this.#metadata === null || (this.keys.ageMs ?? 0) > MAX_STALE_MS))
      await this.keys.find(null, 'RS256');
    if (this.#metadata === null) throw providerUnavailable('no usable metadata and keys');
    return this.#metadata;
  }

  /**
   * What the library needs for calls of one kind.
   *
   * @param send  replaces the transport, for this call only
   * @throws DependencyFault `provider_unavailable`, as a rejection
   */
  async configuration(call: ProviderCall, send: CustomFetch | null = null): Promise<Configuration> {
    const metadata = await this.metadata();
    return send === null
      ? this.#configurations.shared(call, metadata, this.#transport.fetchFor(call))
      : this.#configurations.own(metadata, send);
  }

  /** Sends requests that the library has no function for. */
  fetchFor(call: ProviderCall): CustomFetch {
    return this.#transport.fetchFor(call);
  }

  /** Logs what a provider says about a login that failed: printable ASCII, bounded (OIDC-09). */
  logProblem(error: string, description = ''): void {
    const said = { error: printable(error, 64), description: printable(description, 300) };
    this.#log.warn({ provider: this.name, ...said }, 'an identity provider refused a login');
  }

  /** Metadata and keys together: an issuer can move its keys. */
  async #fetch() {
    const { timeoutMs, issuer } = this.settings;
    const { ca, certificate } = this.#files;
    const fetchJson = jsonFetcher({ timeoutMs, ca: ca === null ? null : async () => ca, bearer: null, certificate });
    const fetched = (call: ProviderCall, url: string) => this.#transport.measured(call, () => fetchJson(url));
    const document = await fetched('metadata', metadataUrl(issuer as string));
    const metadata = readMetadata(document, issuer as string, certificate !== null);
    const rules = { algorithms: ID_TOKEN_ALGORITHMS, use: 'sig' } as const;
    const keys = await readKeySet(await fetched('keys', metadata.jwksUri as string), rules);
    if (keys.keys.length > 0) this.#metadata = metadata;
    return keys;
  }
}
