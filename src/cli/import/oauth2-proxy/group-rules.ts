/**
 * What an oauth2-proxy asks of groups, roles and users, read as it reads it (`providers/` of its source): where two options have to
 * hold together, or one replaces another, the import must not let in a user who meets only one.
 */

import type { ProviderKind } from './provider-kinds.ts';
import type { Report } from './report.ts';
import type { Setting, Settings } from './settings.ts';

/** One way to be let in: a claim has one of these values. */
export interface Alternative {
  readonly setting: Setting;
  /** Claim path. */
  readonly claim: string;
  /** Attribute of the session that a route looks at. */
  readonly attribute: string;
  readonly values: readonly string[];
}

/** The rules of a provider. */
interface GroupRules {
  /** One of them is enough. */
  readonly alternatives: readonly Alternative[];
  /** Options that cannot be carried over. Without an alternative, nobody may be let in. */
  readonly closedBy: readonly Setting[];
}

/** Claim path of the organizations of a user at GitHub. */
export const ORGS = 'orgs[].login';
/** Claim path of the teams of a user at GitHub. */
export const TEAMS = 'teams[].html_url';

/** Reads the rules. */
export function groupRulesOf(kind: ProviderKind, provider: Settings, report: Report): GroupRules {
  if (kind.preset === 'github') return githubRules(provider);
  const alternatives: Alternative[] = [];
  const isKeycloak = provider.text('provider') === 'keycloak-oidc';
  const key = groupOptionOf(provider, report);
  if (key !== null) {
    const setting = provider.get(key);
    const values = provider.list(key).filter((group) => !(isKeycloak && group.startsWith('role:')));
    const claim = provider.text('oidc_groups_claim') ?? kind.groups ?? 'groups';
    if (setting !== null && values.length > 0) alternatives.push({ setting, claim, attribute: 'groups', values });
  }
  if (isKeycloak) alternatives.push(...keycloakRoles(provider, report));
  const closing = CLOSING.map((name) => provider.get(name)).filter((setting) => setting !== null);
  return { alternatives: merged(alternatives), closedBy: closing };
}

/** Options that the gateway cannot ask about. */
const CLOSING = ['gitlab_projects', 'google_groups', 'google_group', 'bitbucket_team', 'bitbucket_repository'] as const;

type GroupOption = 'allowed_groups' | 'keycloak_groups' | 'gitlab_groups';

/**
 * The one option whose groups count: the groups of GitLab and of the old provider for Keycloak replace `allowed_groups`, and so do
 * projects of GitLab; the new provider for Keycloak ignores `keycloak_groups`. Where nothing else would be left, the import takes
 * what oauth2-proxy ignores: fewer people get in.
 */
function groupOptionOf(provider: Settings, report: Report): GroupOption | null {
  const isSet = (key: GroupOption | 'gitlab_projects' | 'allowed_roles') => provider.get(key) !== null;
  const all: readonly GroupOption[] = ['gitlab_groups', 'keycloak_groups', 'allowed_groups'];
  const inOrder = provider.text('provider') === 'keycloak-oidc' ? all.toReversed() : all;
  const usable = inOrder.filter(
    (key) =>
      !(key === 'allowed_groups' && isSet('gitlab_projects')) && !(key === 'keycloak_groups' && isSet('allowed_roles')),
  );
  const chosen = usable.find(isSet) ?? null;
  for (const key of all) {
    const setting = provider.get(key);
    if (setting !== null && key !== chosen)
      report.dropped(setting, 'oauth2-proxy does not look at it: another option for groups, projects or roles is set.');
  }
  return chosen;
}

/** `client:role` is a role of a client, anything else one of the realm. */
function keycloakRoles(provider: Settings, report: Report): Alternative[] {
  const asGroups = provider.list('allowed_groups').filter((group) => group.startsWith('role:'));
  const listed = [
    ...provider.list('allowed_roles').map((role) => ({ role, setting: provider.get('allowed_roles') })),
    ...asGroups.map((group) => ({ role: group.slice('role:'.length), setting: provider.get('allowed_groups') })),
  ];
  const attributeOf = clientAttributes();
  return listed.flatMap(({ role, setting }): Alternative[] => {
    const { client, name = role } = /^(?<client>[^:]+):(?<name>.+)$/.exec(role)?.groups ?? {};
    if (setting === null) return [];
    report.todo('Let Keycloak put roles into the ID token: client scope `roles`, its mappers, "Add to ID token".');
    return [
      client === undefined
        ? { setting, claim: 'realm_access.roles', attribute: 'roles', values: [name] }
        : { setting, claim: `resource_access.${client}.roles`, attribute: attributeOf(client), values: [name] },
    ];
  });
}

/** Names the attribute of each client: two never have the same one, or a role of one would count as that of the other. */
function clientAttributes(): (client: string) => string {
  const byClient = new Map<string, string>();
  return (client) => {
    const known = byClient.get(client);
    if (known !== undefined) return known;
    const base = `roles-of-${client.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`.slice(0, 56);
    const taken = new Set(byClient.values());
    let name = base;
    for (let number = 2; taken.has(name); number += 1) name = `${base}-${number}`;
    byClient.set(client, name);
    return name;
  };
}

/** Alternatives of the same claim as one. */
function merged(alternatives: readonly Alternative[]): Alternative[] {
  const byClaim = Map.groupBy(alternatives, ({ claim }) => claim);
  return [...byClaim.values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : { ...first, values: [...new Set([first, ...more].flatMap(({ values }) => values))] },
  );
}

/**
 * A user name is enough alone; organization and team have to hold together with the repository, and all of this together with
 * `allowed_groups`. Without an organization or a repository, users are the only ones.
 */
function githubRules(provider: Settings): GroupRules {
  const [org, team] = [provider.get('github_org'), provider.get('github_team')];
  const [repo, users] = [provider.get('github_repo'), provider.get('github_users')];
  const allowed = provider.get('allowed_groups');
  if (allowed !== null) {
    const others = [team, repo, users].filter((setting) => setting !== null);
    const groups = provider.list('allowed_groups');
    // A member of a team is one of its organization: there, one rule says both.
    const isInside = org === null || groups.every((group) => ownerOf(group) === org.value);
    return others.length === 0 && isInside
      ? { alternatives: githubGroups(allowed, groups, provider), closedBy: [] }
      : { alternatives: [], closedBy: [allowed, ...others, ...(org === null ? [] : [org])] };
  }
  const member: Alternative[] = [];
  if (team !== null) member.push({ setting: team, claim: TEAMS, attribute: 'groups', values: teamsOf(provider) });
  else if (org !== null) member.push({ setting: org, claim: ORGS, attribute: 'groups', values: [org.value] });
  const alternatives = repo !== null || (users !== null && org === null) ? [] : member;
  if (users !== null)
    alternatives.push({ setting: users, claim: 'login', attribute: 'login', values: provider.list('github_users') });
  return { alternatives, closedBy: repo === null ? [] : [repo] };
}

const ownerOf = (group: string) => group.split(':', 1)[0];

/** Organizations by name, and teams as `{org}:{team}`. */
function githubGroups(setting: Setting, groups: readonly string[], provider: Settings): Alternative[] {
  const orgs = groups.filter((group) => !group.includes(':'));
  const teams = groups.filter((group) => group.includes(':')).map((group) => addressOf(group, provider));
  return [
    ...(orgs.length === 0 ? [] : [{ setting, claim: ORGS, attribute: 'groups', values: orgs }]),
    ...(teams.length === 0
      ? []
      : [{ setting, claim: TEAMS, attribute: orgs.length === 0 ? 'groups' : 'teams', values: teams }]),
  ];
}

/** The teams of `github_team`: of the organization where there is one, else with their own before a colon. */
function teamsOf(provider: Settings): string[] {
  const org = provider.text('github_org');
  const teams = (provider.text('github_team') ?? '').split(',').map((team) => team.trim());
  return teams.map((team) => addressOf(org === null ? team : `${org}:${team}`, provider));
}

/** The address of a team at GitHub, which no other team has. @param team  `{org}:{team}` */
function addressOf(team: string, provider: Settings): string {
  const host = URL.parse(provider.text('login_url') ?? '')?.origin ?? 'https://github.com';
  const colon = team.indexOf(':');
  return `${host}/orgs/${team.slice(0, Math.max(colon, 0))}/teams/${team.slice(colon + 1)}`;
}
