/**
 * Rules about identity providers: that names match, that no setting is weak, and that nobody is admitted by mistake.
 */

import { defineCodes, error, type KeyPath, warning } from '../../../config/findings/problem.ts';
import type { LintContext } from '../../../config/lint.ts';
import { reportDuplicates, reportUnknown, uses } from '../../../config/names.ts';
import { isLoopbackHost } from '../../../lib/address.ts';
import { isMultiTenant } from './metadata.ts';
import type { ProviderConfig } from './section.ts';
import { withPreset } from './settings.ts';

/** Codes of the findings about identity providers. */
export const codes = defineCodes({
  'login/duplicate-provider': error('Two identity providers with the same name.'),
  'login/duplicate-callback': error(
    'Two identity providers with the same `callbackPath`: an answer of one could be mistaken for an answer of the other.',
  ),
  'login/unknown-provider': error('A route names an identity provider that is not in `login.oidc`.'),
  'login/insecure-provider': error(
    'Plain http to an identity provider on another machine: anyone who can change the answers can log in as any user.',
  ),
  'login/groups-not-mapped': error(
    '`allow.groups` of an identity provider without `groups`, so that nobody could log in.',
  ),
  'login/provider-admits-all': warning(
    'Anyone can create an account at an identity provider that has no `allow`: everybody is admitted.',
  ),
  'login/subject-by-email': warning(
    'The subject of users is their email address or user name, which can be given to another person later.',
  ),
  'login/no-logout-there': warning(
    '`logoutAtProvider` of an identity provider that has no `end_session_endpoint`: a logout here ends the session here, but not the one there. `sallyport check oidc` shows whether a provider has one.',
  ),
  'login/unverified-email': warning(
    'Who may log in depends on an email address that nobody has verified: anyone who can enter the address of another person is admitted.',
  ),
});

interface ProviderDraft {
  readonly login?: { readonly oidc: readonly ProviderConfig[] } | undefined;
}

type Context = LintContext<ProviderDraft>;

/** Claims that name a person for now, not for good. */
const PASSING_NAMES = ['email', 'preferred_username', 'username', 'upn', 'unique_name', 'nickname', 'login', 'name'];

/** Issuers with which anyone can get an account. */
const OPEN_ISSUERS = ['https://accounts.google.com', 'https://gitlab.com'];

/** Issuers whose metadata have no `end_session_endpoint`. Other servers of GitLab have none either. */
const WITHOUT_LOGOUT = ['https://accounts.google.com', 'https://gitlab.com'];

/** Applies the rules. */
export function lint(context: Context): void {
  const list = ['login', 'oidc'];
  const names = uses(context, list, ['name']);
  reportDuplicates(context, names, codes['login/duplicate-provider'], 'identity provider');
  const wanted = uses(context, ['routes'], ['login']);
  const known = names.map(({ name }) => name);
  reportUnknown(context, wanted, known, codes['login/unknown-provider'], 'identity provider', 'login.oidc');
  const providers = context.draft.login?.oidc ?? [];
  lintCallbacks(context, list, providers);
  for (const [index, provider] of providers.entries()) lintProvider(context, [...list, index], provider);
}

function lintCallbacks({ source }: Context, list: KeyPath, providers: readonly ProviderConfig[]): void {
  const names = new Map<string, string>();
  for (const [index, provider] of providers.entries()) {
    const { callbackPath } = withPreset(provider);
    const earlier = names.get(callbackPath);
    names.set(callbackPath, earlier ?? provider.name);
    if (earlier === undefined || earlier === provider.name) continue;
    source.report(
      codes['login/duplicate-callback'],
      [...list, index, 'callbackPath'],
      `${provider.name}: ${callbackPath} is the callback of ${earlier}`,
      'give each identity provider a callbackPath of its own',
    );
  }
}

function lintProvider(context: Context, at: KeyPath, provider: ProviderConfig): void {
  const { source } = context;
  lintAddresses(context, at, provider);
  const { subject, groups, allow, issuer } = withPreset(provider);
  if (provider.logoutAtProvider && (provider.preset === 'gitlab' || WITHOUT_LOGOUT.includes(issuer ?? ''))) {
    source.report(
      codes['login/no-logout-there'],
      [...at, 'logoutAtProvider'],
      `${provider.name} has no logout endpoint to send people to`,
      'remove logoutAtProvider; people can log out there themselves',
    );
  }
  if (PASSING_NAMES.includes(subject)) {
    source.report(
      codes['login/subject-by-email'],
      [...at, 'subject'],
      `${provider.name}: "${subject}" can belong to another person later, who would then be the same user`,
      'leave subject out: sub names a user for good',
    );
  }
  if (allow?.groups !== undefined && groups === null) {
    source.report(
      codes['login/groups-not-mapped'],
      [...at, 'allow', 'groups'],
      `${provider.name}: nobody could log in, because no claim is known to have the groups`,
      'set groups to the claim that has them',
    );
  }
  lintEmail(context, at, provider);
  if (allow === undefined && isOpen(provider)) {
    source.report(
      codes['login/provider-admits-all'],
      at,
      `${provider.name} admits everybody: anyone can create an account there`,
      'say in allow who may log in, or accept this warning if routes decide',
    );
  }
}

function lintAddresses({ source }: Context, at: KeyPath, { name, issuer, endpoints }: ProviderConfig): void {
  const { documents = {}, ...fixed } = endpoints ?? {};
  const addresses: [KeyPath, string | undefined][] = [
    [['issuer'], issuer],
    ...Object.entries(fixed).map(([key, url]): [KeyPath, string] => [['endpoints', key], url as string]),
    ...Object.entries(documents).map(([key, url]): [KeyPath, string] => [['endpoints', 'documents', key], url]),
  ];
  for (const [key, text] of addresses) {
    const url = text === undefined ? null : URL.parse(text);
    if (url === null || url.protocol !== 'http:' || isLoopbackHost(url.hostname)) continue;
    source.report(
      codes['login/insecure-provider'],
      [...at, ...key],
      `${name}: plain http to ${url.hostname}`,
      `write https://${url.host}`,
    );
  }
}

function lintEmail({ source }: Context, at: KeyPath, provider: ProviderConfig): void {
  const { name, trustEmail, allow } = provider;
  if (trustEmail && allow?.emailDomains !== undefined) {
    source.report(
      codes['login/unverified-email'],
      [...at, 'trustEmail'],
      `${name}: allow.emailDomains admits addresses that the provider does not call verified`,
      'leave trustEmail out, unless nobody can enter the address of another person there',
    );
  }
  const path = provider.attributes?.['email'] ?? 'email';
  if (allow?.claims !== undefined && Object.hasOwn(allow.claims, path)) {
    source.report(
      codes['login/unverified-email'],
      [...at, 'allow', 'claims', path],
      `${name}: allow.claims matches an email address, whether it is verified or not`,
      'use allow.emailDomains, which accepts only verified addresses',
    );
  }
}

/** Without a preset, nothing is known of who can get an account. */
function isOpen(provider: ProviderConfig): boolean {
  const { issuer } = withPreset(provider);
  if (issuer === null) return provider.preset === 'github' && isPublicGithub(provider.endpoints?.authorization);
  return OPEN_ISSUERS.includes(issuer) || isMultiTenant(issuer);
}

/** @param authorization  its endpoint; `undefined` where the preset says */
const isPublicGithub = (authorization: string | undefined): boolean =>
  authorization === undefined || URL.parse(authorization)?.hostname === 'github.com';
