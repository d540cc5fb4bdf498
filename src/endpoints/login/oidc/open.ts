/** Opens the identity providers of one configuration, and what logs in with them. */

import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../../lib/clock.ts';
import type { CodeStore, Store } from '../../../store/store.ts';
import type { Logger } from '../../../telemetry/log.ts';
import { type Endpoint, type EndpointRow, rowsBelow } from '../../endpoints.ts';
import type { EndpointParts } from '../../parts.ts';
import type { ProviderFiles } from './client-credential.ts';
import { type CallbackParts, LoginCallback } from './flow/callback.ts';
import { LoginFailures } from './flow/login-failures.ts';
import { LoginStart } from './flow/start-login.ts';
import { StartThrottle } from './flow/start-throttle.ts';
import { LoginTransactions } from './flow/transactions.ts';
import { BackchannelLogout } from './logout/backchannel-logout.ts';
import { FrontchannelLogout } from './logout/frontchannel-logout.ts';
import { LogoutAtProvider } from './logout/logout-at-provider.ts';
import { IdentityProvider, type ProviderSurroundings } from './provider.ts';
import type { ProviderConfig } from './section.ts';
import { withPreset } from './settings.ts';
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
  surroundings: ProviderSurroundings,
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

interface ProviderLoginSurroundings {
  readonly store: Pick<Store, 'loginTransactions' | 'codes' | 'sealedTokens'>;
  readonly log: Logger;
  /** Logins, and front-channel logouts, that may begin from one address in ten minutes, or at once. */
  readonly startsPerAddress: number;
  readonly monotonicMs: Clock;
}

/** Logins with identity providers. */
export interface ProviderLogins {
  /** In the order of the configuration. */
  readonly providers: readonly IdentityProvider[];
  readonly start: LoginStart;
  /** Of the endpoints to which providers send browsers back, and those of their logouts. */
  readonly rows: readonly EndpointRow[];
  readonly logoutAtProvider: LogoutAtProvider;
  /** Of the browsers that log in. */
  readonly transactions: LoginTransactions;
}

/** Puts together what logs in with the providers. */
export function openProviderLogins(
  opened: OpenedProviders,
  login: EndpointParts,
  { store, log, startsPerAddress, monotonicMs }: ProviderLoginSurroundings,
): ProviderLogins {
  const { cookies, series, turns, basePath, wallMs } = login;
  const { codes, sealedTokens } = store;
  const providers = [...opened.values()].map(({ provider }) => provider);
  const comesByPost = providers.some(({ settings }) => settings.responseMode === 'formPost');
  const transactions = new LoginTransactions(store.loginTransactions, turns, comesByPost, wallMs);
  const failures = new LoginFailures(login);
  const throttle = new StartThrottle(startsPerAddress, monotonicMs);
  const logouts = new StartThrottle(startsPerAddress, monotonicMs, 'front-channel logouts');
  series.providerLogouts.expect(providers.filter(({ keys }) => keys.isFetched).map(({ name }) => name));
  const callbackParts = { login, transactions, failures, sealedTokens };
  return {
    providers,
    start: new LoginStart({ login, transactions, throttle, failures }),
    rows: providers.flatMap((provider) => rowsOf(provider, callbackParts, logouts, codes)),
    logoutAtProvider: new LogoutAtProvider({
      cookies,
      providers,
      transactions,
      sealedTokens,
      revoker: new TokenRevoker({ log, series: series.providerTokens }),
      series: series.providerLogouts,
      basePath,
    }),
    transactions,
  };
}

/** The endpoints to which a provider sends browsers back, and by which it ends sessions. */
function rowsOf(
  provider: IdentityProvider,
  parts: CallbackParts,
  logouts: StartThrottle,
  codes: CodeStore,
): EndpointRow[] {
  const { login } = parts;
  const { name, keys, settings } = provider;
  const row = rowsBelow(login.basePath);
  const callback = new LoginCallback(provider, parts);
  const comeBack: Endpoint = (exchange, request) => callback.answer(exchange, request);
  const rows = [row('GET', settings.callbackPath, comeBack), row('POST', settings.callbackPath, comeBack)];
  if (settings.frontchannelLogout) {
    const logout = new FrontchannelLogout(provider, login, logouts);
    rows.push(row('GET', `/frontchannel-logout/${name}`, (exchange, request) => logout.answer(exchange, request)));
  }
  // A provider without keys signs no logout token.
  if (keys.isFetched) {
    const logout = new BackchannelLogout(provider, login, codes);
    const end: Endpoint = (exchange, request) => logout.answer(exchange, request);
    // Providers may call the gateway by an internal name.
    rows.push({ ...row('POST', `/backchannel-logout/${name}`, end), needsPublicOrigin: false });
  }
  return rows;
}
