/** Puts together what a configuration with the section `refresh` needs. */

import type { Sessions } from '../../authentication/session/sessions.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { AttemptStore, RefreshFamilies, ThrottleRule } from '../../store/store.ts';
import type { AuditLog } from '../../telemetry/audit.ts';
import type { Keyring } from '../../token/keyring.ts';
import { TokenIssuer } from '../../token/token-issuer.ts';
import { AccessTokens } from './access-tokens.ts';
import { RefreshCookie } from './refresh-cookie.ts';
import { RefreshLogins } from './refresh-logins.ts';
import { Refresher } from './refresher.ts';
import type { RefreshConfig } from './section.ts';
import type { RefreshSeries } from './series.ts';

/** Refresh tokens, as one configuration defines them. */
export interface Refresh {
  readonly cookie: RefreshCookie;
  readonly accessTokens: AccessTokens;
  readonly refresher: Refresher;
  readonly logins: RefreshLogins;
  readonly series: RefreshSeries;
  /** How addresses that present tokens or codes which do not exist are slowed. */
  readonly perAddress: ThrottleRule;
}

interface LongLivedParts {
  /** `iss` of the tokens that the gateway signs. */
  readonly issuer: string;
  readonly sessions: Sessions;
  readonly families: RefreshFamilies;
  readonly attempts: AttemptStore;
  readonly audit: AuditLog;
  readonly series: { readonly refresh: RefreshSeries };
  readonly signingKeys: { readonly keyring: Keyring };
  readonly clocks: Clocks;
}

/** The sections that it reads. */
interface RefreshSections {
  readonly refresh?: RefreshConfig | undefined;
  readonly basePath: string;
  readonly publicOrigin: readonly string[];
}

/** The parts; `null` when the configuration has no such section. */
export function openRefresh(
  { refresh, basePath, publicOrigin }: RefreshSections,
  longLived: LongLivedParts,
): Refresh | null {
  if (refresh === undefined) return null;
  const { issuer: ownIssuer, sessions, families, attempts, audit, series, signingKeys, clocks } = longLived;
  const { wallMs } = clocks;
  const ourselves = publicOrigin[0] as string;
  const issuer = new TokenIssuer(ownIssuer, signingKeys.keyring, wallMs);
  const accessTokens = new AccessTokens(refresh.accessToken, ourselves, issuer);
  const cookie = new RefreshCookie(refresh.cookieName, `${basePath}/refresh`);
  const { freeAttemptsPerAddress: freeAttempts, maxDelay: maxDelayMs, window: windowMs } = refresh.throttle;
  const perAddress = { freeAttempts, maxDelayMs, windowMs };
  const { clients, everyLogin, grace: graceMs } = refresh;
  return {
    cookie,
    accessTokens,
    refresher: new Refresher({ families, attempts, sessions, accessTokens, graceMs, perAddress, wallMs }),
    logins: new RefreshLogins({
      clients,
      everyLogin,
      cookie,
      families,
      sessions,
      accessTokens,
      audit,
      series: series.refresh,
      wallMs,
    }),
    series: series.refresh,
    perAddress,
  };
}
