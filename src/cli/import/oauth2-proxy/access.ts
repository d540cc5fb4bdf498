/**
 * Who may log in. What an import cannot carry over never lets in more people than before: where no rule is left, it writes one
 * that lets nobody in.
 */

import type { ConfigDraft } from './draft.ts';
import type { ProviderKind } from './provider-kinds.ts';
import type { Report } from './report.ts';
import type { Setting, Settings } from './settings.ts';

/** One way to be let in: a claim has one of these values. */
interface Alternative {
  readonly setting: Setting;
  /** Claim path. */
  readonly claim: string;
  /** Attribute of the session that a route looks at. */
  readonly attribute: string;
  readonly values: readonly string[];
}

/** What a route has to ask for. */
export interface RouteRule {
  readonly allow: Record<
    string,
    Record<string, readonly string[]> | readonly { readonly claims: Record<string, readonly string[]> }[]
  >;
  readonly from: readonly Setting[];
}

/** What access rules need from the entry of the provider. */
export interface AccessNeeds {
  /** The claim with the groups; `null` where no rule looks at them. */
  readonly groupsClaim: string | null;
  /** Attributes: name → claim path. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether organizations or teams of GitHub are asked for. */
  readonly asksFor: ReadonlySet<'orgs' | 'teams'>;
  /** `null` where every route admits everybody who is logged in. */
  readonly routeRule: RouteRule | null;
}

interface Surroundings {
  readonly kind: ProviderKind;
  readonly provider: Settings;
  readonly core: Settings;
  readonly draft: ConfigDraft;
  readonly report: Report;
  /** Path of the entry in `login.oidc`. */
  readonly at: readonly (string | number)[];
  /** Addresses of the email file; `null` where it cannot be read. */
  readonly emails: readonly string[] | null;
}

const ORGS = 'orgs[].login';
const TEAMS = 'teams[].html_url';

/** Writes `allow`, and says what else the rules need. */
export function writeAccess(parts: Surroundings): AccessNeeds {
  const { kind, provider, draft, at } = parts;
  const { alternatives, closedBy } = alternativesOf(kind, provider, parts.report);
  const email = writeEmail(parts);
  const restricting = closedBy.length > 0 && alternatives.length === 0 ? closedBy : [];
  if (restricting.length > 0) writeClosed(parts, restricting);
  // Whoever comes another way than by the provider has not passed its rules.
  const hasOtherWays = parts.core.get('htpasswd_file') !== null || parts.core.holds('skip_jwt_bearer_tokens');
  const atRoutes = alternatives.length > 1 || (alternatives.length === 1 && hasOtherWays);
  const [first] = alternatives;
  if (!atRoutes && first !== undefined) {
    const isGroups = first.attribute === 'groups';
    draft.set([...at, 'allow', ...(isGroups ? ['groups'] : ['claims', first.claim])], first.values, first.setting);
    if (isGroups)
      parts.report.different(
        first.setting,
        'A session has the groups that are named, and no others; so do the headers.',
      );
  }
  const routeRule = joined(atRoutes ? alternatives : [], email);
  for (const setting of routeRule?.from ?? []) draft.carry(setting);
  if (kind.preset === 'github') draft.carry(provider.get('github_org'));
  const attributes = atRoutes ? alternatives.filter(({ attribute }) => attribute !== 'groups') : [];
  const asked = alternatives.map(({ claim }) => claim);
  return {
    groupsClaim: alternatives.find(({ attribute }) => attribute === 'groups')?.claim ?? null,
    attributes: Object.fromEntries(attributes.map(({ attribute, claim }) => [attribute, claim])),
    asksFor: new Set([
      ...(asked.includes(ORGS) ? ['orgs' as const] : []),
      ...(asked.includes(TEAMS) ? ['teams' as const] : []),
    ]),
    routeRule,
  };
}

function writeClosed({ draft, report, at }: Surroundings, by: readonly Pick<Setting, 'key' | 'name'>[]): void {
  const path = [...at, 'allow', 'claims', 'replace-this-rule'];
  draft.set(
    path,
    by.map(({ key }) => key),
    'nobody has this claim, so nobody gets in',
  );
  const names = by.map(({ name }) => `\`${name}\``).join(' and ');
  report.todo(`Replace \`allow.claims.replace-this-rule\`, which stands for ${names} and lets nobody in.`);
}

function joined(alternatives: readonly Alternative[], email: RouteRule | null): RouteRule | null {
  if (alternatives.length === 0) return email;
  const rules = alternatives.map(({ attribute, values }) => ({ claims: { [attribute]: values } }));
  const [only] = rules;
  const claims = {
    ...(email?.allow['claims'] as Record<string, readonly string[]> | undefined),
    ...(rules.length === 1 && only?.claims),
  };
  return {
    allow: { ...(Object.keys(claims).length > 0 && { claims }), ...(rules.length > 1 && { any: rules }) },
    from: [...(email?.from ?? []), ...alternatives.map(({ setting }) => setting)],
  };
}

function alternativesOf(
  kind: ProviderKind,
  provider: Settings,
  report: Report,
): { alternatives: Alternative[]; closedBy: Setting[] } {
  if (kind.preset === 'github') return githubAlternatives(provider);
  const alternatives: Alternative[] = [];
  const groupsClaim = provider.text('oidc_groups_claim') ?? kind.groups ?? 'groups';
  const isKeycloak = provider.text('provider') === 'keycloak-oidc';
  for (const key of ['allowed_groups', 'keycloak_groups', 'gitlab_groups'] as const) {
    const setting = provider.get(key);
    const values = provider.list(key).filter((group) => !(isKeycloak && group.startsWith('role:')));
    if (setting !== null && values.length > 0)
      alternatives.push({ setting, claim: groupsClaim, attribute: 'groups', values });
  }
  if (isKeycloak) alternatives.push(...keycloakRoles(provider, report));
  const closing = (
    ['gitlab_projects', 'google_groups', 'google_group', 'bitbucket_team', 'bitbucket_repository'] as const
  ).map((key) => provider.get(key));
  return { alternatives: merged(alternatives), closedBy: closing.filter((setting) => setting !== null) };
}

/** `client:role` is a role of a client, anything else one of the realm. */
function keycloakRoles(provider: Settings, report: Report): Alternative[] {
  const asGroups = provider.list('allowed_groups').filter((group) => group.startsWith('role:'));
  const listed = [
    ...provider.list('allowed_roles').map((role) => ({ role, setting: provider.get('allowed_roles') })),
    ...asGroups.map((group) => ({ role: group.slice('role:'.length), setting: provider.get('allowed_groups') })),
  ];
  return listed.flatMap(({ role, setting }): Alternative[] => {
    const { client, name = role } = /^(?<client>[^:]+):(?<name>.+)$/.exec(role)?.groups ?? {};
    if (setting === null) return [];
    report.todo('Let Keycloak put roles into the ID token: client scope `roles`, its mappers, "Add to ID token".');
    return [
      client === undefined
        ? { setting, claim: 'realm_access.roles', attribute: 'roles', values: [name] }
        : {
            setting,
            claim: `resource_access.${client}.roles`,
            attribute: `roles-of-${client.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`,
            values: [name],
          },
    ];
  });
}

/** Alternatives of the same claim as one. */
function merged(alternatives: readonly Alternative[]): Alternative[] {
  const byClaim = new Map<string, Alternative>();
  for (const one of alternatives) {
    const earlier = byClaim.get(one.claim);
    byClaim.set(
      one.claim,
      earlier === undefined ? one : { ...earlier, values: [...new Set([...earlier.values, ...one.values])] },
    );
  }
  return [...byClaim.values()];
}

/** Organization and team have to hold together with the repository; a user name is enough alone. */
function githubAlternatives(provider: Settings): { alternatives: Alternative[]; closedBy: Setting[] } {
  const [org, team, repo, users] = (['github_org', 'github_team', 'github_repo', 'github_users'] as const).map((key) =>
    provider.get(key),
  );
  const found: Alternative[] = [];
  const teams = teamAddresses(provider);
  if (team != null) found.push({ setting: team, claim: TEAMS, attribute: 'groups', values: teams });
  else if (org != null)
    found.push({ setting: org, claim: ORGS, attribute: 'groups', values: [provider.text('github_org') ?? ''] });
  const allowed = provider.get('allowed_groups');
  if (allowed !== null && org == null && team == null) {
    const named = provider.list('allowed_groups').filter((group) => !group.includes(':'));
    if (named.length > 0) found.push({ setting: allowed, claim: ORGS, attribute: 'groups', values: named });
  }
  const alternatives = repo == null ? found : [];
  if (users != null)
    alternatives.push({ setting: users, claim: 'login', attribute: 'login', values: provider.list('github_users') });
  return { alternatives, closedBy: repo == null ? [] : [repo] };
}

/** `{org}` and `{team}`, or `{org}:{team}`, as the address of the team at GitHub has them. */
function teamAddresses(provider: Settings): string[] {
  const org = provider.text('github_org');
  const host = URL.parse(provider.text('login_url') ?? '')?.origin ?? 'https://github.com';
  return (provider.text('github_team') ?? '').split(',').map((written) => {
    const [owner, slug] = written.includes(':') ? written.trim().split(':') : [org, written.trim()];
    return `${host}/orgs/${owner}/teams/${slug}`;
  });
}

const DOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/** @returns the rule that routes need for single addresses */
function writeEmail(parts: Surroundings): RouteRule | null {
  const { core, draft, report, at, emails } = parts;
  const file = core.get('authenticated_emails_file');
  const listed = core.get('email_domains');
  const domains = core.list('email_domains').map((domain) => domain.toLowerCase());
  if (domains.includes('*')) {
    draft.carry(listed);
    writeVerified(parts, listed);
    if (file !== null) report.dropped(file, '`email_domains` has `*`, so that everybody is admitted anyway.');
    return null;
  }
  const exact = domains.filter((domain) => DOMAIN.test(domain));
  const others = domains.filter((domain) => !DOMAIN.test(domain));
  if (listed !== null && others.length > 0)
    report.dropped(
      listed,
      `The gateway compares whole domains, so ${others.join(', ')} admits nobody. List each domain.`,
    );
  if (exact.length > 0) {
    draft.set([...at, 'allow', 'emailDomains'], exact, listed);
    if (listed !== null && !saysVerified(parts))
      report.different(
        listed,
        'Only an address that the provider calls verified counts. oauth2-proxy also takes one about which it says nothing: if yours says nothing, set `trustEmail: true`.',
      );
    if (file !== null)
      report.dropped(
        file,
        '`email_domains` is carried over, and a rule cannot be "one of these domains, or one of these addresses".',
      );
    return null;
  }
  if (file !== null && emails !== null && emails.length > 0)
    return { allow: { claims: { email: emails } }, from: [file] };
  const cause = file ?? listed;
  if (cause !== null) {
    if (cause === file)
      report.dropped(
        file,
        'The file cannot be read here, or is empty. Give its addresses to the routes: `allow: { claims: { email: […] } }`.',
      );
    writeClosed(parts, [cause]);
  } else if (core.get('htpasswd_file') !== null) {
    // oauth2-proxy then lets nobody in but those in the file.
    writeClosed(parts, [{ key: 'email_domains', name: 'email_domains' }]);
  }
  return null;
}

/** Providers that are known to say whether an address is verified, or that are trusted about it. */
const saysVerified = ({ kind, provider }: Pick<Surroundings, 'kind' | 'provider'>): boolean =>
  ['google', 'github', 'gitlab'].includes(kind.preset ?? '') || provider.holds('insecure_oidc_allow_unverified_email');

/** oauth2-proxy refuses an account whose address is called unverified, whatever its domain. Entra and ADFS call none so. */
function writeVerified({ kind, provider, draft, report, at }: Surroundings, listed: Setting | null): void {
  const isOther = (provider.text('oidc_email_claim') ?? provider.text('user_id_claim') ?? 'email') !== 'email';
  const saysNothing = kind.issuer === null || kind.preset === 'entra' || kind.name === 'adfs' || kind.name === 'none';
  if (saysNothing || isOther || provider.holds('insecure_oidc_allow_unverified_email')) return;
  draft.set([...at, 'allow', 'claims', 'email_verified'], true, 'insecure_oidc_allow_unverified_email, by default');
  if (listed !== null && !saysVerified({ kind, provider }))
    report.different(
      listed,
      'An account is admitted if its address is called verified. oauth2-proxy also takes one about which the provider says nothing: if yours says nothing, remove `allow.claims.email_verified`.',
    );
}
