/** Bearer tokens that oauth2-proxy accepts in place of a session: issuers of service tokens. */

import type { AccessNeeds } from './access.ts';
import type { ImportOutput } from './draft.ts';
import type { ProviderKind } from './provider-kinds.ts';
import type { Settings } from './settings.ts';

interface IssuerParts extends Omit<ImportOutput, 'secrets'> {
  /** Of the proxy. */
  readonly settings: Settings;
  readonly provider: Settings;
  readonly kind: ProviderKind;
  readonly access: AccessNeeds;
}

/**
 * Writes `issuers`.
 *
 * @returns their names; none where tokens are not accepted
 */
export function writeTokens(parts: IssuerParts): readonly string[] {
  const { settings, report } = parts;
  const accepted = settings.get('skip_jwt_bearer_tokens');
  if (accepted?.value !== true) return [];
  const obstacle = obstacleOf(parts);
  if (obstacle !== null) {
    report.dropped(accepted, `${obstacle} Tokens are refused: write \`issuers\`, and who may use which route.`);
    return [];
  }
  report.different(
    accepted,
    'A token has no attributes of a user: identity headers that begin with `user.` are left out, and `token.<claim>` reads its claims. Whether its email address is verified is not asked.',
  );
  return [...writeOwn(parts), ...writeExtra(parts)];
}

/** Why a route could not decide whose token may pass. Then none may. */
function obstacleOf({ settings, provider, access, draft }: IssuerParts): string | null {
  if (!settings.list('email_domains').includes('*')) return 'A route cannot ask for the domain of an email address.';
  const asked = Object.keys((draft.get(['login', 'oidc', 0, 'allow', 'claims']) ?? {}) as object);
  if (asked.some((claim) => claim !== 'email_verified') || provider.get('entra_id_allowed_tenants') !== null)
    return 'A rule of the login cannot be asked of a token.';
  const rule = access.routeRule?.allow;
  const isJudged =
    rule === undefined ||
    (Object.keys(rule).join() === 'claims' &&
      Object.keys(rule['claims'] ?? {}).join() === 'groups' &&
      access.groupsClaim === 'groups');
  return isJudged ? null : 'A rule of the routes cannot be asked of a token.';
}

function writeOwn({ provider, kind, draft }: IssuerParts): string[] {
  const issuer =
    (draft.get(['login', 'oidc', 0, 'issuer']) as string | undefined) ??
    (kind.preset === 'google' ? 'https://accounts.google.com' : undefined);
  const client = provider.text('client_id');
  if (issuer === undefined || client === null) return [];
  const name = kind.name;
  draft.set(
    ['issuers', name],
    entryOf(issuer, [client, ...provider.list('oidc_extra_audiences')]),
    provider.get('oidc_extra_audiences'),
  );
  return [name];
}

function writeExtra({ settings, draft, report }: IssuerParts): string[] {
  const origin = settings.get('extra_jwt_issuers');
  if (origin === null) return [];
  return settings.list('extra_jwt_issuers').flatMap((written, index) => {
    const { issuer = '', audience } = /^(?<issuer>[^=]+)=(?<audience>.+)$/.exec(written)?.groups ?? {};
    if (audience === undefined || URL.parse(issuer)?.protocol !== 'https:') {
      report.dropped(origin, 'An entry is `issuer=audience`, and the issuer an https address.');
      return [];
    }
    const name = `extra-${index + 1}`;
    draft.set(['issuers', name], entryOf(issuer, [audience]), origin);
    return [name];
  });
}

function entryOf(issuer: string, audience: readonly string[]) {
  const discovery = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  return { issuer, discovery, algorithms: ['RS256'], audience };
}
