/** Rules about refresh tokens: how long an access token lives, and whom it convinces. */

import { isPublic, type WrittenCredential } from '../../authentication/credential.ts';
import { defineCodes, warning } from '../../config/findings/problem.ts';
import type { LintContext } from '../../config/lint.ts';
import type { RefreshConfig } from './section.ts';

/** Codes of the findings about refresh tokens. */
export const codes = defineCodes({
  'refresh/lifetime': warning('Access tokens live longer than 15 minutes: not every verifier follows revocations.'),
  'refresh/idle-timeout': warning(
    'Access tokens live as long as an idle session, or longer: an app that refreshes only when they expire would be logged out first.',
  ),
  'refresh/audience': warning(
    'Access tokens, which clients hold, have an audience of upstream tokens: clients could call the service directly, past the gateway.',
  ),
  'refresh/shared-key': warning(
    "Access tokens with HS256: every service that verifies the gateway's tokens can also forge access tokens for any user.",
  ),
});

interface RefreshDraft {
  readonly refresh?: RefreshConfig | undefined;
  readonly publicOrigin?: readonly string[] | undefined;
  readonly session?: { readonly idleTimeout: number } | undefined;
  readonly upstreamToken?: { readonly algorithm: string } | undefined;
  readonly routes: readonly (Route | undefined)[];
}

interface Route {
  readonly id: string;
  readonly credential: WrittenCredential;
  readonly upstreamToken: 'minted' | 'original' | 'none';
  readonly audience?: string | undefined;
  readonly upstream: string;
}

type Context = LintContext<RefreshDraft>;

/** A longer one lets a copied access token work for too long where no one checks its session. */
const LONG_LIFETIME_MS = 15 * 60_000;

/** Applies the rules. */
export function lint(context: Context): void {
  const { refresh } = context.draft;
  if (refresh === undefined) return;
  lintLifetime(context, refresh);
  lintAudience(context, refresh);
  lintKey(context);
}

function lintLifetime({ draft, source }: Context, { accessToken }: RefreshConfig): void {
  const path = ['refresh', 'accessToken', 'lifetime'];
  if (accessToken.lifetime > LONG_LIFETIME_MS) {
    source.report(
      codes['refresh/lifetime'],
      path,
      'refresh.accessToken.lifetime is over 15 minutes: verifiers that do not follow revocations accept a token for that long',
      'an app can refresh at any time; 5m is enough',
    );
  }
  if (draft.session !== undefined && accessToken.lifetime >= draft.session.idleTimeout) {
    source.report(
      codes['refresh/idle-timeout'],
      path,
      'refresh.accessToken.lifetime is not shorter than session.idleTimeout: an app that refreshes only when its token expires would be logged out first',
      'make session.idleTimeout a multiple of it',
    );
  }
}

function lintKey({ draft, source }: Context): void {
  if (draft.upstreamToken?.algorithm !== 'HS256') return;
  source.report(
    codes['refresh/shared-key'],
    ['refresh'],
    'access tokens are signed with the HS256 secret with which services verify them: each service can forge them for any user',
    'use ES256',
    'key',
  );
}

/** Clients hold access tokens: a service that takes one for an upstream token can be called past the gateway. */
function lintAudience({ draft, source }: Context, { accessToken }: RefreshConfig): void {
  const audience = accessToken.audience ?? draft.publicOrigin?.[0];
  const route = draft.routes.find(
    (candidate) =>
      candidate !== undefined &&
      !isPublic(candidate.credential) &&
      candidate.upstreamToken === 'minted' &&
      (candidate.audience ?? candidate.upstream) === audience,
  );
  if (route === undefined) return;
  source.report(
    codes['refresh/audience'],
    accessToken.audience === undefined ? ['refresh'] : ['refresh', 'accessToken', 'audience'],
    `access tokens have the audience of the upstream tokens of route ${JSON.stringify(route.id)}: its service would accept them as well`,
    'give access tokens an audience of their own',
    accessToken.audience === undefined ? 'key' : undefined,
  );
}
