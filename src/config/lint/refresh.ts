/** Rules about refresh tokens: whether a login can begin a family, and whom the access token convinces. */

import type { RefreshConfig } from '../schema.ts';
import type { LintContext } from './draft.ts';

/** Longer, and an access token that somebody has copied is good for too long where nobody asks about its session. */
const LONG_LIFETIME_MS = 15 * 60_000;

/** @see PROBLEM_CODES for what each finding means */
export function lintRefresh(context: LintContext): void {
  const { refresh } = context.draft;
  if (refresh === undefined) return;
  lintBeginning(context);
  lintLifetime(context, refresh);
  lintAudience(context, refresh);
  lintKey(context);
}

function lintBeginning({ draft, source }: LintContext): void {
  const { login } = draft;
  if (login === undefined || login.password !== undefined || login.trustedBackends.length > 0) return;
  source.report(
    'refresh/no-login',
    ['refresh'],
    'refresh has no effect: no login begins with a refresh token',
    'set login.password, or login.trustedBackends',
    'key',
  );
}

function lintLifetime({ draft, source }: LintContext, { accessToken }: RefreshConfig): void {
  const path = ['refresh', 'accessToken', 'lifetime'];
  if (accessToken.lifetime > LONG_LIFETIME_MS) {
    source.report(
      'refresh/lifetime',
      path,
      'refresh.accessToken.lifetime is over 15 minutes: whoever verifies the token without following revocations takes it for as long',
      'an app can refresh as often as it likes; 5m is enough',
    );
  }
  if (draft.session !== undefined && accessToken.lifetime >= draft.session.idleTimeout) {
    source.report(
      'refresh/idle-timeout',
      path,
      'refresh.accessToken.lifetime is not shorter than session.idleTimeout: an app that refreshes when its token expires is logged out before',
      'make session.idleTimeout a multiple of it',
    );
  }
}

function lintKey({ draft, source }: LintContext): void {
  if (draft.upstreamToken?.algorithm !== 'HS256') return;
  source.report(
    'refresh/shared-key',
    ['refresh'],
    'access tokens are signed with the HS256 secret that services verify with: each of them can make one for any user',
    'use ES256',
    'key',
  );
}

/** An access token is in the hands of the client: a service that takes it for an upstream token can be called past us. */
function lintAudience({ draft, source }: LintContext, { accessToken }: RefreshConfig): void {
  const audience = accessToken.audience ?? draft.publicOrigin?.[0];
  const route = draft.routes.find(
    (candidate) =>
      candidate !== undefined &&
      candidate.credential !== 'none' &&
      candidate.upstreamToken === 'minted' &&
      (candidate.audience ?? candidate.upstream) === audience,
  );
  if (route === undefined) return;
  source.report(
    'refresh/audience',
    accessToken.audience === undefined ? ['refresh'] : ['refresh', 'accessToken', 'audience'],
    `access tokens have the audience of the upstream tokens of route ${JSON.stringify(route.id)}: its service would take them, too`,
    'give them an audience of their own',
    accessToken.audience === undefined ? 'key' : undefined,
  );
}
