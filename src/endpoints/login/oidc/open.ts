/** Opens the identity providers of one configuration, and what logs in with them. */

import { isDeepStrictEqual } from 'node:util';
import type { Clock, Clocks } from '../../../lib/clock.ts';
import type { Turns } from '../../../lib/concurrency/turns.ts';
import type { SealedTokenStore } from '../../../store/sealed-tokens.ts';
import type { CodeStore, LoginTransactionStore } from '../../../store/store.ts';
import type { Logger } from '../../../telemetry/log.ts';
import type { Endpoint } from '../../endpoints.ts';
import type { LoginParts } from '../login-parts.ts';
import type { ProviderFiles } from './client-credential.ts';
import { LoginCallback } from './flow/callback.ts';
import { LoginFailures } from './flow/login-failures.ts';
import { LoginStart } from './flow/start-login.ts';
import { StartThrottle } from './flow/start-throttle.ts';
import { LoginTransactions } from './flow/transactions.ts';
import { BackchannelLogout } from './logout/backchannel-logout.ts';
import { FrontchannelLogout } from './logout/frontchannel-logout.ts';
import { LogoutAtProvider } from './logout/logout-at-provider.ts';
import { withPreset } from './presets.ts';
import { IdentityProvider } from './provider.ts';
import type { ProviderConfig } from './section.ts';
import type { ProviderSeries } from './series.ts';
import { keptTokens } from './tokens/provider-tokens.ts';
import { TokenRevoker } from './tokens/revocation.ts';

/** A provider, with what it was made from. */
interface OpenedProvider {
  readonly provider: IdentityProvider;
  readonly config: ProviderConfig;
  readonly files: ProviderFiles;
}

/** The identity providers of one configuration, by name, in its order. */
export type OpenedProviders = ReadonlyMap<string, OpenedProvider>;

/**
 * Opens the providers. Nothing is fetched before `start()`.
 *
 * @param files              what is in the files of each
 * @param isAccessTokenSent  to an upstream, by some route
 * @param previous           whose providers are kept, with what they have fetched, where nothing about them has changed
 */
export function openProviders(
  configs: readonly ProviderConfig[],
  files: readonly ProviderFiles[],
  isAccessTokenSent: boolean,
  surroundings: {
    readonly clocks: Clocks;
    readonly log: Logger;
    readonly series: ProviderSeries;
    readonly turns: Turns;
  },
  previous: OpenedProviders | null,
): OpenedProviders {
  const opened = configs.map((config, index): OpenedProvider => {
    const read = files[index] as ProviderFiles;
    const settings = withPreset(config);
    const kept = keptTokens(settings, isAccessTokenSent);
    const present = previous?.get(config.name);
    const known = present === undefined ? null : [present.config, present.files, present.provider.kept];
    if (present !== undefined && isDeepStrictEqual(known, [config, read, kept])) return present;
    return { provider: new IdentityProvider(settings, kept, read, surroundings), config, files: read };
  });
  surroundings.series.expect(opened.map(({ provider }) => provider));
  return new Map(opened.map((it) => [it.provider.name, it]));
}

/** Ten minutes, in which `login.throttle.startsPerAddress` logins may begin. */
const STARTS_WINDOW_MS = 600_000;

/** Where a provider sends browsers back to. */
interface Callback {
  /** Below `basePath`. */
  readonly path: string;
  readonly answer: Endpoint;
}

/** An endpoint that one provider has for itself. */
interface ProviderEndpoint {
  /** Of the provider. */
  readonly name: string;
  readonly answer: Endpoint;
}

/** Logins with identity providers. */
export interface ProviderLogins {
  /** In the order of the configuration. */
  readonly providers: readonly IdentityProvider[];
  readonly start: LoginStart;
  /** To which providers send browsers back. */
  readonly callbacks: readonly Callback[];
  /** To which providers send logout tokens: those that sign tokens. */
  readonly backchannelLogouts: readonly ProviderEndpoint[];
  /** Which their logout pages open in frames. */
  readonly frontchannelLogouts: readonly ProviderEndpoint[];
  readonly logoutAtProvider: LogoutAtProvider;
  /** Of the browsers that log in. */
  readonly transactions: LoginTransactions;
}

/** Puts together what logs in with the providers. */
export function openProviderLogins(
  opened: OpenedProviders,
  login: LoginParts,
  settings: {
    readonly transactions: LoginTransactionStore;
    readonly codes: CodeStore;
    readonly sealedTokens: SealedTokenStore;
    readonly log: Logger;
    readonly startsPerAddress: number;
    readonly isCookieStrict: boolean;
    readonly clocks: Clocks;
  },
): ProviderLogins {
  const providers = [...opened.values()].map(({ provider }) => provider);
  const { wallMs, monotonicMs } = settings.clocks;
  const comesByPost = (it: IdentityProvider) => it.settings.responseMode === 'formPost';
  const transactions = new LoginTransactions(settings.transactions, login.turns, providers.some(comesByPost), wallMs);
  const failures = new LoginFailures(login);
  const throttle = new StartThrottle({ burst: settings.startsPerAddress, windowMs: STARTS_WINDOW_MS }, monotonicMs);
  const { sealedTokens, isCookieStrict } = settings;
  const parts = { login, transactions, failures, sealedTokens, isCookieStrict, wallMs };
  const callbacks = providers.map((provider): Callback => {
    const callback = new LoginCallback(provider, parts);
    return {
      path: provider.settings.callbackPath,
      answer: (exchange, request) => callback.answer(exchange, request),
    };
  });
  const start = new LoginStart({ login, transactions, throttle, failures });
  const logouts = new StartThrottle({ burst: settings.startsPerAddress, windowMs: STARTS_WINDOW_MS }, monotonicMs);
  const frontchannelLogouts = providers
    .filter((it) => it.settings.frontchannelLogout)
    .map((provider): ProviderEndpoint => {
      const logout = new FrontchannelLogout(provider, login, logouts);
      return { name: provider.name, answer: (exchange, request) => logout.answer(exchange, request) };
    });
  const logoutAtProvider = new LogoutAtProvider({
    cookies: login.cookies,
    providers,
    transactions,
    sealedTokens,
    revoker: new TokenRevoker({ log: settings.log, series: login.series.providerTokens }),
    series: login.series.providerLogouts,
    basePath: login.basePath,
  });
  const backchannelLogouts = openBackchannelLogouts(providers, login, settings.codes, wallMs);
  return { providers, start, callbacks, backchannelLogouts, frontchannelLogouts, logoutAtProvider, transactions };
}

function openBackchannelLogouts(
  providers: readonly IdentityProvider[],
  login: LoginParts,
  codes: CodeStore,
  wallMs: Clock,
): ProviderEndpoint[] {
  const signing = providers.filter(({ keys }) => keys.isFetched);
  login.series.providerLogouts.expect(signing.map(({ name }) => name));
  return signing.map((provider) => {
    const logout = new BackchannelLogout(provider, { login, codes, wallMs });
    return { name: provider.name, answer: (exchange, request) => logout.answer(exchange, request) };
  });
}
