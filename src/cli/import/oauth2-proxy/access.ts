/**
 * Who may log in. What an import cannot carry over never lets in more people than before: where no rule is left, it writes one
 * that lets nobody in.
 */

import type { ImportOutput } from './draft.ts';
import { type Alternative, groupRulesOf, ORGS, TEAMS } from './group-rules.ts';
import type { ProviderKind } from './provider-kinds.ts';
import type { Setting, Settings } from './settings.ts';

/** What a route has to ask for. */
export interface WantedRule {
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
  readonly routeRule: WantedRule | null;
}

interface AccessParts extends Omit<ImportOutput, 'secrets'> {
  readonly kind: ProviderKind;
  readonly provider: Settings;
  readonly core: Settings;
  /** Path of the entry in `login.oidc`. */
  readonly at: readonly (string | number)[];
  /** Addresses of the email file; `null` where it cannot be read. */
  readonly emails: readonly string[] | null;
}

/** Writes `allow`, and says what else the rules need. */
export function writeAccess(parts: AccessParts): AccessNeeds {
  const { kind, provider, draft, at } = parts;
  const { alternatives, closedBy } = groupRulesOf(kind, provider, parts.report);
  const email = writeEmail(parts);
  const restricting = closedBy.length > 0 && alternatives.length === 0 ? closedBy : [];
  if (restricting.length > 0) writeClosed(parts, restricting);
  // A login that bypasses the provider has not passed its rules.
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
  const closed = restricting.length > 0 && hasOtherWays ? closedRule(restricting) : null;
  const routeRule = closed ?? joined(atRoutes ? alternatives : [], email);
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

const NOBODY_HAS = 'replace-this-rule';

/** The same for routes, which other ways to log in lead to as well. */
const closedRule = (by: readonly Setting[]): WantedRule => ({
  allow: { claims: { [NOBODY_HAS]: by.map(({ key }) => key) } },
  from: by,
});

function writeClosed({ draft, report, at }: AccessParts, by: readonly Pick<Setting, 'key' | 'name'>[]): void {
  const path = [...at, 'allow', 'claims', NOBODY_HAS];
  draft.set(
    path,
    by.map(({ key }) => key),
    'nobody has this claim, so nobody gets in',
  );
  const names = by.map(({ name }) => `\`${name}\``).join(' and ');
  report.todo(`Replace \`allow.claims.${NOBODY_HAS}\`, which stands for ${names} and lets nobody in.`);
}

function joined(alternatives: readonly Alternative[], email: WantedRule | null): WantedRule | null {
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

const DOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/** @returns the rule that routes need for single addresses */
function writeEmail(parts: AccessParts): WantedRule | null {
  const { core, draft, report, at, emails } = parts;
  const file = core.get('authenticated_emails_file');
  const listed = core.get('email_domains');
  const domains = core.list('email_domains').map((domain) => domain.toLowerCase());
  if (domains.includes('*')) {
    draft.carry(listed);
    if (!writeVerified(parts, listed) && listed !== null)
      report.different(listed, 'oauth2-proxy refuses an account without an email address; the gateway admits it.');
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
    // Then oauth2-proxy admits only the users in that file.
    writeClosed(parts, [{ key: 'email_domains', name: 'email_domains' }]);
  }
  return null;
}

/** Providers that are known to say whether an address is verified, or that are trusted about it. */
const saysVerified = ({ kind, provider }: Pick<AccessParts, 'kind' | 'provider'>): boolean =>
  ['google', 'github', 'gitlab'].includes(kind.preset ?? '') || provider.holds('insecure_oidc_allow_unverified_email');

/**
 * oauth2-proxy refuses an account whose address is called unverified, whatever its domain. Entra and ADFS never call one unverified.
 *
 * @returns whether there is a rule now
 */
function writeVerified({ kind, provider, draft, report, at }: AccessParts, listed: Setting | null): boolean {
  const isOther = (provider.text('oidc_email_claim') ?? provider.text('user_id_claim') ?? 'email') !== 'email';
  const saysNothing = kind.issuer === null || kind.preset === 'entra' || kind.name === 'adfs' || kind.name === 'none';
  if (saysNothing || isOther || provider.holds('insecure_oidc_allow_unverified_email')) return false;
  draft.set([...at, 'allow', 'claims', 'email_verified'], true, 'insecure_oidc_allow_unverified_email, by default');
  if (listed !== null && !saysVerified({ kind, provider }))
    report.different(
      listed,
      'An account is admitted if its address is called verified. oauth2-proxy also takes one about which the provider says nothing: if yours says nothing, remove `allow.claims.email_verified`.',
    );
  return true;
}
