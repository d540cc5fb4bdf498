/** What is counted of logins. Sessions that they open are counted with the sessions. */

import type { MetricRegistry } from '../../telemetry/registry.ts';
import { HandOverSeries } from './hand-over/series.ts';
import { LogoutSeries } from './oidc/logout/series.ts';
import { ProviderSeries } from './oidc/series.ts';
import { ProviderTokenSeries } from './oidc/tokens/series.ts';

/**
 * Why a login failed. `credentials`: wrong user or password; `throttled`: too many attempts; `overloaded`: too many logins at
 * once; `client`: an unknown backend; `provider`: at an identity provider, for which there are series with more detail.
 */
const LOGIN_FAILURES = ['credentials', 'throttled', 'overloaded', 'client', 'provider'] as const;

/** The metrics of logins. */
export class LoginSeries {
  readonly failures;
  /** Of logins at identity providers. */
  readonly providers: ProviderSeries;
  /** Of logouts by identity providers. */
  readonly providerLogouts: LogoutSeries;
  /** Of logins that one origin hands over to another. */
  readonly handOvers: HandOverSeries;
  readonly providerTokens: ProviderTokenSeries;
  readonly #usersFile;

  constructor(registry: MetricRegistry) {
    this.failures = registry.counter('login_failures_total', 'Failed logins, by reason.', {
      reason: LOGIN_FAILURES,
    });
    this.#usersFile = registry.readGauge(
      'users_file_last_read_successful',
      '1 when the users file can be used; else those of its last good version can log in. None without login.password.',
      {},
      'min',
    );
    this.readFrom(null);
    this.providers = new ProviderSeries(registry);
    this.providerLogouts = new LogoutSeries(registry);
    this.handOvers = new HandOverSeries(registry);
    this.providerTokens = new ProviderTokenSeries(registry);
  }

  /** Reads the state of the users file from `usersFile` from now on; `null` where there is none. */
  readFrom(usersFile: { isUsable(): Promise<boolean> } | null): void {
    this.#usersFile.readFrom(async () => (usersFile === null ? [] : Number(await usersFile.isUsable())));
  }
}
