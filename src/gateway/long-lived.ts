/**
 * What outlives a configuration: the store, sessions, the feed of revocations, signing keys, password hashing, the audit
 * log. Opened once, adjusted by each reload, closed with the gateway.
 */

import { FollowedRevocations } from '../authentication/revocation/followed-revocations.ts';
import type { RevocationConfig } from '../authentication/revocation/section.ts';
import { LinkedCookies } from '../authentication/session/linked-cookies.ts';
import type { SessionConfig } from '../authentication/session/section.ts';
import { Sessions } from '../authentication/session/sessions.ts';
import { PasswordHasher } from '../endpoints/login/password/hasher.ts';
import type { LoginConfig } from '../endpoints/login/section.ts';
import { DependencyFault } from '../errors.ts';
import type { Clocks } from '../lib/clock.ts';
import { settledWithin } from '../lib/concurrency/settled-within.ts';
import { Turns } from '../lib/concurrency/turns.ts';
import { InProgress } from '../limits/limits.ts';
import { openStore } from '../store/open.ts';
import type { StoreConfig } from '../store/section.ts';
import type { AttemptStore, CodeStore, OnceStore, RefreshFamilies, Store } from '../store/store.ts';
import type { AuditLog } from '../telemetry/audit.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { LogConfig } from '../telemetry/section.ts';
import type { TracesConfig } from '../telemetry/traces/section.ts';
import { Traces } from '../telemetry/traces/traces.ts';
import { openSigningKeys, type SigningKeys } from '../token/signing-keys.ts';
import type { Outlet, PreparingOutlet } from '../upstream/forward.ts';
import type { Contents } from './configuration/contents.ts';
import { longestSessionTokenMs, longestSignedMs, type TokenSections } from './configuration/token-lifetimes.ts';
import type { GatewaySeries } from './series.ts';

/** What is opened with, apart from the configuration. */
interface Surroundings {
  readonly clocks: Clocks;
  readonly log: Logger;
  /** Takes the audit events. */
  readonly audit: AuditLog;
  readonly series: GatewaySeries;
  /** Replaces the outlet, for `explain` and `dev`. Default: requests are forwarded. */
  readonly outletOf?: (outlet: PreparingOutlet) => Outlet;
}

/** How often the key directory is read again. */
const KEY_REFRESH_MS = 10_000;
/** Each part that waits for others when it is closed gets no longer than this. */
const CLOSE_TIMEOUT_MS = 1_000;

/** The sections that it is opened by. */
interface LongLivedSections extends TokenSections {
  readonly store: StoreConfig;
  readonly session: SessionConfig;
  readonly revocation: RevocationConfig;
  readonly login: Pick<LoginConfig, 'password'>;
  readonly log: Pick<LogConfig, 'level' | 'onAuditFailure'>;
  readonly traces?: TracesConfig | undefined;
}

/** The long-lived parts of one gateway, on which its compiled configurations build. */
export class LongLived {
  readonly store: Store;
  readonly sessions: Sessions;
  readonly links: LinkedCookies;
  readonly attempts: AttemptStore;
  readonly families: RefreshFamilies;
  readonly once: OnceStore;
  readonly codes: CodeStore;
  readonly passwordHasher: PasswordHasher;
  readonly loginTurns: Turns;
  readonly log: Logger;
  readonly audit: AuditLog;
  readonly signingKeys: SigningKeys;
  readonly revokedTokens: FollowedRevocations;
  readonly series: GatewaySeries;
  readonly inProgress: InProgress = new InProgress();
  readonly traces: Traces;
  readonly clocks: Clocks;
  readonly outletOf: Surroundings['outletOf'];
  #keyFault: Error | null = null;
  readonly #keyRefresh: NodeJS.Timeout;

  private constructor(
    { clocks, log, audit, series, outletOf }: Surroundings,
    opened: Pick<LongLived, 'store' | 'sessions' | 'passwordHasher' | 'signingKeys' | 'revokedTokens' | 'traces'>,
  ) {
    this.store = opened.store;
    this.sessions = opened.sessions;
    this.attempts = opened.store.attempts;
    this.families = opened.store.families;
    this.once = opened.store.once;
    this.codes = opened.store.codes;
    this.links = new LinkedCookies(opened.store.codes);
    this.passwordHasher = opened.passwordHasher;
    this.loginTurns = new Turns(clocks.monotonicMs);
    this.log = log;
    this.audit = audit;
    this.signingKeys = opened.signingKeys;
    this.revokedTokens = opened.revokedTokens;
    this.traces = opened.traces;
    this.series = series;
    this.clocks = clocks;
    this.outletOf = outletOf;
    series.tokens.readFrom(opened.signingKeys, () => this.areKeysReadable, clocks.wallMs);
    this.#keyRefresh = setInterval(() => void this.#refreshKeys(), KEY_REFRESH_MS).unref();
  }

  /**
   * Opens them. When one fails, those before it are closed again.
   *
   * @throws ConfigFault with one clear message when something fails to open
   */
  static async open(
    config: LongLivedSections,
    { signing, traces: traceFiles }: Pick<Contents, 'signing' | 'traces'>,
    surroundings: Surroundings,
  ): Promise<LongLived> {
    const { clocks, log, audit, series } = surroundings;
    audit.configure(config.log);
    await using opened = new AsyncDisposableStack();
    const signingKeys = await openSigningKeys(config.upstreamToken, signing, longestSignedMs(config), clocks.wallMs);
    const traces = opened.adopt(new Traces({ clocks, log, series: series.traces }), (it) => it.close());
    await traces.use(config.traces, traceFiles);
    const store = opened.adopt(await openStore(config.store, { clocks, log, series: series.store }), (it) =>
      it.close(),
    );
    const hashConcurrency = config.login.password?.hashConcurrency ?? 1;
    const passwordHasher = opened.adopt(new PasswordHasher(hashConcurrency), (it) => it.close());
    const sessions = opened.adopt(openSessions(store, config, surroundings), (it) => it.close());
    const revokedTokens = await FollowedRevocations.open(store, revocationSettings(config), clocks, () =>
      series.revocations.forgotten.inc(),
    );
    series.revocations.readFrom(revokedTokens);
    opened.move();
    return new LongLived(surroundings, { store, sessions, passwordHasher, signingKeys, revokedTokens, traces });
  }

  /** Applies what a reload can change. Never fails. */
  configure(config: LongLivedSections): void {
    this.signingKeys.keyring.allowLifetime(longestSignedMs(config));
    this.sessions.configure(sessionSettings(config));
    this.revokedTokens.configure(revocationSettings(config));
    this.log.level = config.log.level;
    this.audit.configure(config.log);
  }

  /** Closes them at once, in a bounded time. */
  async close(): Promise<void> {
    clearInterval(this.#keyRefresh);
    await closed(this.passwordHasher.close());
    this.sessions.close();
    this.revokedTokens.close();
    await closed(this.store.close());
    await this.traces.close();
  }

  /**
   * Notes whether the files of the signing keys can still be used. The known keys stay in use.
   *
   * @returns what stays as it was, one line each
   */
  noteKeyFaults(faults: readonly Error[]): readonly string[] {
    const [fault = null] = faults;
    if (fault !== null && fault.message !== this.#keyFault?.message)
      this.log.error({ fault: errorFields(fault) }, 'signing keys cannot be read; keeping the known ones');
    this.#keyFault = fault;
    return faults.map(({ message }) => `${message}; the known signing keys stay in use`);
  }

  /** Whether the files of the signing keys could be used when they were last read. */
  get areKeysReadable(): boolean {
    return this.#keyFault === null;
  }

  async #refreshKeys(): Promise<void> {
    const fault = await this.signingKeys.refresh().catch((thrown: Error) => thrown);
    this.noteKeyFaults(fault instanceof Error ? [fault] : []);
  }
}

/** Waits for a close, but not indefinitely. */
export const closed = (closing: Promise<unknown>): Promise<void> => settledWithin(closing, CLOSE_TIMEOUT_MS);

function openSessions(store: Store, config: LongLivedSections, { clocks, log, series }: Surroundings): Sessions {
  // The store logs once that it does not answer; this would log it for every request.
  const onBackgroundFault = (fault: unknown) =>
    log[fault instanceof DependencyFault ? 'debug' : 'warn'](
      { fault: errorFields(fault) },
      'background work of a session failed',
    );
  const sessions = new Sessions(store, sessionSettings(config), clocks, series.sessions, onBackgroundFault);
  series.sessions.expectStore(store.kind);
  series.sessions.cacheEntries.readFrom(() => sessions.cachedCount);
  return sessions;
}

function revocationSettings(config: LongLivedSections) {
  return {
    outageGraceMs: config.revocation.outageGrace ?? Number.POSITIVE_INFINITY,
    sessionTokenMs: longestSessionTokenMs(config),
  };
}

function sessionSettings({ session }: LongLivedSections) {
  return {
    idleTimeoutMs: session.idleTimeout,
    absoluteTimeoutMs: session.absoluteTimeout,
    remembered:
      session.remember === undefined
        ? null
        : {
            idleTimeoutMs: session.remember.idleTimeout,
            absoluteTimeoutMs: session.remember.absoluteTimeout,
            always: session.remember.always,
          },
    maxPerUser: session.maxPerUser,
    cacheMaxEntries: session.cache.maxEntries,
    recheckAfterMs: session.cache.recheckAfter,
    feedTimeoutMs: session.cache.feedTimeout,
    outageGraceMs: session.cache.outageGrace,
  };
}
