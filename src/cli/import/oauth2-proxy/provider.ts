/** The entry of `login.oidc` for the provider of an oauth2-proxy. */

import { isLoopbackHost } from '../../../lib/address.ts';
import { formatDuration } from '../../../lib/text/units.ts';
import type { AccessNeeds } from './access.ts';
import type { ImportOutput } from './draft.ts';
import { ORGS } from './group-rules.ts';
import type { OldProvider } from './model.ts';
import type { OptionKeyOf } from './options/table.ts';
import { PROVIDER_KINDS, type ProviderKind } from './provider-kinds.ts';
import type { Origin, Report } from './report.ts';
import type { Settings } from './settings.ts';

/** What is known of a provider; `null` where the gateway cannot log in there. */
export const kindOf = (settings: Settings): ProviderKind | null =>
  PROVIDER_KINDS[settings.text('provider') ?? 'google'] ?? null;

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

interface ProviderParts extends ImportOutput {
  readonly kind: ProviderKind;
  readonly provider: OldProvider;
  /** Path of the entry. */
  readonly at: readonly (string | number)[];
}

/** Writes where the provider is, and how the gateway authenticates there. What of its users is read comes later. */
export function writeProvider(parts: ProviderParts): void {
  const { kind, provider, draft, at } = parts;
  const { settings, id } = provider;
  const type = settings.get('provider');
  const name = id !== null && NAME.test(id) ? id : kind.name;
  draft.set([...at, 'name'], name, type ?? "oauth2-proxy's default provider");
  if (kind.preset !== undefined) draft.set([...at, 'preset'], kind.preset);
  // One provider only: with its own path, each would have another redirect URI than the registered one.
  draft.set([...at, 'callbackPath'], '/callback', 'the redirect URI that is registered stays');
  copy(parts, ['label'], 'provider_display_name', (text) => text.slice(0, 60));
  if (kind.issuer === null) writeEndpoints(parts);
  else writeIssuer(parts);
  const clientId = settings.get('client_id');
  draft.set([...at, 'clientId'], clientId?.value ?? 'client-id', clientId ?? 'SET THIS: the client id');
  if (clientId === null) parts.report.todo('Set `clientId`: no `client_id` was found.');
  writeCredential(parts);
  writeRequest(parts);
}

function copy(
  { provider, draft, at }: ProviderParts,
  path: readonly string[],
  key: OptionKeyOf<'text'>,
  as: (text: string) => string = (text) => text,
): void {
  const setting = provider.settings.get(key);
  if (setting !== null) draft.set([...at, ...path], as(setting.value), setting);
}

function writeIssuer({ kind, provider, draft, report, at }: ProviderParts): void {
  const { settings } = provider;
  if (kind.preset === 'entra') draft.carry(settings.get('insecure_oidc_skip_issuer_verification'));
  const written = settings.get('oidc_issuer_url');
  if (written !== null) {
    draft.set([...at, 'issuer'], secured(written.value, written, report), written);
    return;
  }
  if (kind.preset === 'google' || kind.preset === 'gitlab') return;
  if (kind.preset === 'entra') {
    const tenant = settings.get('azure_tenant');
    const issuer = `https://login.microsoftonline.com/${tenant?.value ?? 'common'}/v2.0`;
    draft.set([...at, 'issuer'], issuer, tenant ?? 'azure_tenant, by default');
    return;
  }
  const note = kind.issuer == null ? 'SET THIS: the issuer of your provider' : null;
  draft.set([...at, 'issuer'], kind.issuer ?? 'https://id.example.com', note);
  if (kind.issuer == null) report.todo('Set `issuer`: no `oidc_issuer_url` was found.');
}

/** Plain http to a provider on another machine is refused: an attacker on the path could log in as any user. */
function secured(written: string, origin: Origin | null, report: Report): string {
  const url = URL.parse(written);
  if (url?.protocol !== 'http:' || isLoopbackHost(url.hostname)) return written;
  if (origin !== null)
    report.different(
      origin,
      'A provider on another machine has to speak https, so its address begins with https:// now.',
    );
  report.todo(`Let ${url.host} speak https, and write its address as its tokens and metadata have it.`);
  return written.replace(/^http:/i, 'https:');
}

/** An OAuth 2.0 server without ID tokens. GitHub needs its endpoints only where documents are added, or for GitHub Enterprise Server. */
function writeEndpoints({ kind, provider, draft, report, at }: ProviderParts): void {
  const { settings } = provider;
  const isGithub = kind.preset === 'github';
  const [login, redeem] = [settings.get('login_url'), settings.get('redeem_url')];
  const [profile, validate] = [settings.get('profile_url'), settings.get('validate_url')];
  if (isGithub && login === null && redeem === null && validate === null) return;
  const { authorization = null, token = null, userinfo = null } = kind.endpoints ?? {};
  const api = isGithub && validate !== null ? githubApi(validate.value) : null;
  const user = api === null ? (profile?.value ?? userinfo ?? validate?.value ?? null) : `${api}/user`;
  const ends: readonly (readonly [string, string | null, Origin | null])[] = [
    ['authorization', login?.value ?? authorization, login],
    ['token', redeem?.value ?? token, redeem],
    ['userinfo', user, (api === null ? profile : validate) ?? validate],
  ];
  for (const [key, url, origin] of ends) {
    const address = url === null ? `https://id.example.com/${key}` : secured(url, origin, report);
    draft.set([...at, 'endpoints', key], address, url === null ? 'not found' : origin);
    if (url === null) report.todo(`Set \`endpoints.${key}\`: no address was found for it.`);
  }
  if (isGithub)
    draft.set([...at, 'endpoints', 'documents', 'emails'], secured(`${api ?? GITHUB_API}/user/emails`, null, report));
}

const GITHUB_API = 'https://api.github.com';

/** The base of the API: `https://github.example.com/api/v3` from any address below it. */
function githubApi(url: string): string {
  const { origin, pathname } = URL.parse(url) ?? { origin: GITHUB_API, pathname: '/' };
  return `${origin}${/^\/api\/v\d+/.exec(pathname)?.[0] ?? ''}`;
}

function writeCredential({ provider, draft, report, secrets, at }: ProviderParts): void {
  const { settings } = provider;
  const [secret, file] = [settings.get('client_secret'), settings.get('client_secret_file')];
  const [key, keyFile] = [settings.get('jwt_key'), settings.get('jwt_key_file')];
  if (secret !== null)
    draft.set([...at, 'clientSecretFile'], secrets.file('client-secret', secret.value, secret), secret);
  else if (file !== null) draft.set([...at, 'clientSecretFile'], file.value, file);
  else if (key !== null)
    draft.set([...at, 'clientAssertion', 'keyFile'], secrets.file('client-key.pem', key.value, key), key);
  else if (keyFile !== null) draft.set([...at, 'clientAssertion', 'keyFile'], keyFile.value, keyFile);
  const [authority, ...others] = settings.list('provider_ca_files');
  const authorities = settings.get('provider_ca_files');
  if (authorities === null || authority === undefined) return;
  draft.set([...at, 'caFile'], authority, authorities);
  if (others.length > 0)
    report.different(authorities, `Only ${authority} is named: append the other certificates to it.`);
}

/** What the authorization request has. */
function writeRequest(parts: ProviderParts): void {
  const { kind, provider, draft, at } = parts;
  const { settings } = provider;
  const scope = settings.get('scope');
  // GitHub identifies users without any scope, and oauth2-proxy asks for those that its checks need.
  const scopes = scope === null ? (kind.scopes ?? groupScopes(settings)) : scopesOf(scope.value, kind);
  if (scopes !== null) draft.set([...at, 'scopes'], scopes, scope);
  const mode = settings.get('auth_request_response_mode');
  if (mode?.value === 'form_post') draft.set([...at, 'responseMode'], 'formPost', mode);
  else draft.carry(mode);
  for (const parameter of ['prompt', 'approval_prompt', 'acr_values', 'resource'] as const)
    copy(parts, ['authorizationParameters', parameter], parameter);
  for (const { name, value, origin } of provider.parameters)
    draft.set([...at, 'authorizationParameters', name], value, origin);
}

/** oauth2-proxy asks for the scope `groups` where it looks at groups. */
function groupScopes(settings: Settings): string[] | null {
  return settings.list('allowed_groups').length > 0 && (settings.text('provider') ?? 'google') === 'oidc'
    ? ['openid', 'email', 'profile', 'groups']
    : null;
}

function scopesOf(scope: string, kind: ProviderKind): string[] {
  const scopes = scope.split(/\s+/).filter((one) => one !== '');
  if (kind.issuer === null) return scopes.filter((one) => one !== 'openid');
  return scopes.includes('openid') ? scopes : ['openid', ...scopes];
}

const MIN_REVALIDATE_MS = 1_000;
const MAX_REVALIDATE_MS = 86_400_000;

/** Whether the provider gives a refresh token, without which `revalidate` refuses a login. */
const givesRefreshToken = (kind: ProviderKind, scope: string | null): boolean =>
  scope?.split(/\s+/).includes('offline_access') === true ||
  ['keycloak', 'google', 'gitlab'].includes(kind.preset ?? '');

/** Writes how often the provider is asked again. */
export function writeRevalidation({ kind, provider, draft, at }: ProviderParts, core: Settings): void {
  const every = core.get('cookie_refresh');
  if (every === null || every.value <= 0 || !givesRefreshToken(kind, provider.settings.text('scope'))) return;
  const withinMs = Math.min(Math.max(every.value, MIN_REVALIDATE_MS), MAX_REVALIDATE_MS);
  draft.set([...at, 'revalidate'], formatDuration(withinMs), every);
}

/** Writes which claims are read, now that it is known what routes and headers need. */
export function writeClaims(
  { kind, provider, draft, report, at }: ProviderParts,
  access: AccessNeeds,
  headers: { readonly attributes: Readonly<Record<string, string>>; readonly needsGroups: boolean },
): void {
  const { settings } = provider;
  const email = emailClaim(settings, kind);
  const attributes = {
    email: email.path,
    ...(kind.issuer !== null && { name: 'name' }),
    ...headers.attributes,
    ...access.attributes,
  };
  const { roles, ...others } = attributes as Record<string, string>;
  draft.set([...at, 'attributes'], others);
  if (email.origin !== null) draft.set([...at, 'attributes', 'email'], email.path, email.origin);
  if (roles !== undefined) draft.set([...at, 'roles'], roles);
  if (kind.subject !== undefined) draft.set([...at, 'subject'], kind.subject);
  if (kind.emailVerified !== undefined) draft.set([...at, 'emailVerified'], kind.emailVerified);
  const trust = settings.get('insecure_oidc_allow_unverified_email');
  if (trust?.value === true) draft.set([...at, 'trustEmail'], true, trust);
  writeUserinfo({ kind, provider, draft, at });
  writeGroups({ kind, provider, draft, at }, access, headers.needsGroups);
  const asksFor = new Set(access.asksFor);
  if (draft.get([...at, 'groups']) === ORGS) asksFor.add('orgs');
  writeDocuments({ kind, draft, at }, asksFor);
  const tenants = settings.get('entra_id_allowed_tenants');
  if (tenants !== null)
    draft.set([...at, 'allow', 'claims', 'tid'], settings.list('entra_id_allowed_tenants'), tenants);
  const logout = settings.get('backend_logout_url');
  if (logout !== null && kind.issuer !== null) {
    draft.set([...at, 'logoutAtProvider'], true, logout);
    report.different(
      logout,
      'The browser goes to the logout of the provider: register `{publicOrigin}{basePath}/logged-out` there as a post-logout redirect URI.',
    );
  }
}

function emailClaim(settings: Settings, kind: ProviderKind): { path: string; origin: Origin | null } {
  for (const key of ['oidc_email_claim', 'user_id_claim'] as const) {
    const origin = settings.get(key);
    if (origin !== null && origin.value !== 'email') return { path: origin.value, origin };
  }
  return { path: kind.email ?? 'email', origin: null };
}

type Entry = Pick<ProviderParts, 'kind' | 'draft' | 'at'> & { readonly provider: OldProvider };

function writeUserinfo({ kind, provider, draft, at }: Entry): void {
  const skip = provider.settings.get('skip_claims_from_profile_url');
  if (kind.issuer === null || kind.isSilent) {
    draft.carry(skip);
    return;
  }
  const isAsked = skip?.value !== true;
  draft.set([...at, 'userinfo'], isAsked, isAsked ? 'claims that the ID token lacks' : skip);
}

function writeGroups({ kind, provider, draft, at }: Entry, access: AccessNeeds, headersNeedThem: boolean): void {
  const { settings } = provider;
  const written = settings.get('oidc_groups_claim');
  if (access.groupsClaim === null && !headersNeedThem) return;
  const claim = access.groupsClaim ?? written?.value ?? kind.groups ?? (kind.preset === 'github' ? ORGS : undefined);
  if (claim !== undefined) draft.set([...at, 'groups'], claim, written);
  else if (kind.issuer !== null) draft.set([...at, 'groups'], 'groups');
}

function writeDocuments(
  { kind, draft, at }: Pick<ProviderParts, 'kind' | 'draft' | 'at'>,
  asksFor: AccessNeeds['asksFor'],
): void {
  if (asksFor.size === 0) return;
  const written = draft.get([...at, 'endpoints']) as { userinfo?: string } | undefined;
  const api = (written?.userinfo ?? kind.endpoints?.userinfo ?? `${GITHUB_API}/user`).replace(/\/user$/, '');
  if (written === undefined && kind.endpoints !== undefined)
    draft.set([...at, 'endpoints'], { ...kind.endpoints, documents: { emails: `${api}/user/emails` } });
  for (const document of asksFor)
    draft.set([...at, 'endpoints', 'documents', document], `${api}/user/${document}?per_page=100`);
}
