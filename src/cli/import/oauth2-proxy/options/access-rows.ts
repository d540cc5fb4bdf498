/** Options of oauth2-proxy about who gets in. */

import type { OptionEntry } from './row.ts';

const CLOSED = 'Until you replace it, the import writes a rule that lets nobody in.';

/** About who may log in, and what needs no login. */
export const ACCESS_ROWS = {
  email_domains: {
    flag: 'email-domain',
    type: 'list',
    becomes: ['login.oidc[].allow.emailDomains'],
    text: 'Exact domains. `*` admits everybody, so `allow` is left out. Domains below another (`.example.com`) have to be listed.',
  },
  authenticated_emails_file: {
    type: 'text',
    becomes: ['routes[].allow.claims.email'],
    text: 'The import reads the file and lists its addresses. The gateway compares them exactly, in the case that the provider writes. Beside `email_domains`, only the domains are carried over.',
  },
  allowed_groups: {
    flag: 'allowed-group',
    type: 'list',
    becomes: ['login.oidc[].allow.groups', 'routes[].allow'],
    text: 'One of them is enough. With roles beside it, or with tokens or a password file as another way in, every route has the rule. At GitHub, organizations and `org:team`; beside `github_team`, `github_repo`, `github_users`, or an organization that they are not of, both would have to hold, and the import writes a rule that lets nobody in.',
  },
  allowed_roles: {
    flag: 'allowed-role',
    type: 'list',
    onlyWith: ['keycloak-oidc'],
    becomes: ['login.oidc[].allow.claims', 'routes[].allow'],
    text: 'Realm roles are at `realm_access.roles`, those of a client at `resource_access.{client}.roles`. Keycloak has to put them into the ID token: the gateway does not read access tokens.',
  },
  keycloak_groups: {
    flag: 'keycloak-group',
    type: 'list',
    onlyWith: ['keycloak', 'keycloak-oidc'],
    becomes: ['login.oidc[].allow.groups', 'routes[].allow'],
    text: 'As `allowed_groups`, which it replaces with `keycloak`. oauth2-proxy ignores it with `keycloak-oidc`; there it counts only without `allowed_groups` and `allowed_roles`.',
  },
  gitlab_groups: {
    flag: 'gitlab-group',
    type: 'list',
    onlyWith: ['gitlab'],
    becomes: ['login.oidc[].allow.groups', 'routes[].allow'],
    text: 'As `allowed_groups`, which it replaces.',
  },
  gitlab_projects: {
    flag: 'gitlab-project',
    type: 'list',
    onlyWith: ['gitlab'],
    becomes: 'dropped',
    text: `The gateway does not ask the API of GitLab for projects. ${CLOSED}`,
  },
  google_groups: {
    flag: 'google-group',
    type: 'list',
    onlyWith: ['google'],
    becomes: 'dropped',
    text: `The gateway does not ask the Admin API of Google for groups. \`allow.hostedDomains\` admits a Workspace domain. ${CLOSED}`,
  },
  google_group: {
    type: 'list',
    onlyWith: ['google'],
    becomes: 'dropped',
    text: 'The old name of `google_groups` in the environment.',
  },
  github_org: {
    type: 'text',
    onlyWith: ['github'],
    becomes: ['login.oidc[].allow.groups', 'login.oidc[].endpoints.documents'],
    text: 'The organizations of the user (`/user/orgs`) are the groups. Upper and lower case count.',
  },
  github_team: {
    type: 'text',
    onlyWith: ['github'],
    becomes: ['login.oidc[].allow.groups', 'login.oidc[].endpoints.documents'],
    text: 'The teams of the user (`/user/teams`) are the groups, by their address: a slug alone names teams of other organizations, too.',
  },
  github_users: {
    flag: 'github-user',
    type: 'list',
    onlyWith: ['github'],
    becomes: ['login.oidc[].allow.claims', 'routes[].allow'],
    text: 'The user name at GitHub. It can change, and another person can have it then.',
  },
  github_repo: {
    type: 'text',
    onlyWith: ['github'],
    becomes: 'dropped',
    text: `The gateway does not ask GitHub for collaborators. ${CLOSED}`,
  },
  github_token: {
    type: 'text',
    onlyWith: ['github'],
    becomes: 'dropped',
    text: 'The gateway does not ask GitHub for collaborators.',
    isSecret: true,
  },
  bitbucket_team: {
    type: 'text',
    onlyWith: ['bitbucket'],
    becomes: 'dropped',
    text: `The gateway does not ask Bitbucket for teams. ${CLOSED}`,
  },
  bitbucket_repository: {
    type: 'text',
    onlyWith: ['bitbucket'],
    becomes: 'dropped',
    text: `The gateway does not ask Bitbucket for repositories. ${CLOSED}`,
  },
  entra_id_allowed_tenants: {
    flag: 'entra-id-allowed-tenant',
    type: 'list',
    onlyWith: ['entra-id'],
    becomes: ['login.oidc[].allow.claims'],
    text: 'The claim `tid`.',
  },
  htpasswd_file: {
    type: 'text',
    becomes: ['login.password.usersFile'],
    text: 'The hashes cannot be carried over: the gateway stores Argon2id. The import names each user for `sallyport users add`, which asks for a new password.',
  },
  htpasswd_user_groups: {
    flag: 'htpasswd-user-group',
    type: 'list',
    becomes: ['routes[].allow'],
    text: '`--attribute groups=…` of `sallyport users add`.',
  },
  display_htpasswd_form: {
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    contrary: false,
    text: 'With `login.password`, the login page has the form.',
  },
  skip_auth_routes: {
    flag: 'skip-auth-route',
    type: 'list',
    becomes: ['routes[].credential'],
    text: 'Public routes (`credential: none`). Paths are patterns, not regular expressions: what can be read as a path or a prefix is carried over, and no more than a slash at its end is added; the rest stays protected, and is listed. `GET` includes HEAD.',
  },
  skip_auth_regex: { type: 'list', becomes: ['routes[].credential'], text: 'As `skip_auth_routes`.' },
  skip_auth_preflight: {
    type: 'boolean',
    becomes: ['routes[].credential'],
    text: 'A public route for OPTIONS, beside each protected one. `routes[].cors` answers preflights in the gateway instead.',
  },
  trusted_ips: {
    flag: 'trusted-ip',
    type: 'list',
    becomes: 'dropped',
    text: 'No address stands for a login. Give programs a service token, or a public route.',
  },
  api_routes: {
    flag: 'api-route',
    type: 'list',
    becomes: 'builtIn',
    text: 'Only navigations of browsers are led to the login; everything else gets 401. `routes[].onUnauthenticated: challenge` says so for navigations, too.',
  },
  force_json_errors: {
    type: 'boolean',
    becomes: ['routes[].onUnauthenticated'],
    text: '`challenge`. The body is a problem document (RFC 9457).',
  },
  skip_jwt_bearer_tokens: {
    type: 'boolean',
    becomes: ['issuers.<name>', 'routes[].credential'],
    text: 'Tokens of the provider for this client, and of `extra_jwt_issuers`, are service tokens. Not carried over beside `email_domains` or an email file, because a route cannot ask for the domain of an address.',
  },
  extra_jwt_issuers: {
    type: 'list',
    becomes: ['issuers.<name>.discovery', 'issuers.<name>.audience'],
    text: 'One issuer each, found by discovery. Algorithms are pinned: RS256, as oauth2-proxy takes without metadata.',
  },
  bearer_token_login_fallback: {
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    text: 'A token that is refused gets 401 with the reason, never a login.',
  },
} as const satisfies Readonly<Record<string, OptionEntry>>;
