/** The keys of oauth2-proxy's alpha configuration, and the options that mean the same. */

import type { OptionKey } from './options/table.ts';

/** One key of the alpha configuration. */
export interface AlphaRow {
  /** `[]` stands for each entry of a list. */
  readonly path: string;
  /** The equivalent option, or how the key is translated. */
  readonly as: OptionKey | { readonly becomes: readonly string[] | 'builtIn' | 'dropped'; readonly text: string };
}

const IDENTITY = { becomes: ['routes[].identityHeaders'], text: 'Claims: see the table of headers.' };
const STATIC = {
  becomes: ['routes[].requestHeaders.set'],
  text: 'A fixed value. Secrets come from a file: `${file:…}`.',
};

/** The keys of a provider, below `providers[]`. */
export const ALPHA_PROVIDER_ROWS: Readonly<Record<string, OptionKey>> = {
  clientID: 'client_id',
  clientSecret: 'client_secret',
  clientSecretFile: 'client_secret_file',
  'keycloakConfig.groups': 'keycloak_groups',
  'keycloakConfig.roles': 'allowed_roles',
  'azureConfig.tenant': 'azure_tenant',
  'azureConfig.graphGroupField': 'azure_graph_group_field',
  'microsoftEntraIDConfig.allowedTenants': 'entra_id_allowed_tenants',
  'microsoftEntraIDConfig.federatedTokenAuth': 'entra_id_federated_token_auth',
  'bitbucketConfig.team': 'bitbucket_team',
  'bitbucketConfig.repository': 'bitbucket_repository',
  'githubConfig.org': 'github_org',
  'githubConfig.team': 'github_team',
  'githubConfig.repo': 'github_repo',
  'githubConfig.token': 'github_token',
  'githubConfig.users': 'github_users',
  'gitlabConfig.group': 'gitlab_groups',
  'gitlabConfig.projects': 'gitlab_projects',
  'googleConfig.group': 'google_groups',
  'googleConfig.adminEmail': 'google_admin_email',
  'googleConfig.serviceAccountJson': 'google_service_account_json',
  'googleConfig.useApplicationDefaultCredentials': 'google_use_application_default_credentials',
  'googleConfig.targetPrincipal': 'google_target_principal',
  'googleConfig.useOrganizationID': 'google_use_organization_id',
  'googleConfig.adminAPIUserScope': 'google_admin_api_user_scope',
  'oidcConfig.issuerURL': 'oidc_issuer_url',
  'oidcConfig.insecureAllowUnverifiedEmail': 'insecure_oidc_allow_unverified_email',
  'oidcConfig.insecureSkipIssuerVerification': 'insecure_oidc_skip_issuer_verification',
  'oidcConfig.insecureSkipNonce': 'insecure_oidc_skip_nonce',
  'oidcConfig.skipDiscovery': 'skip_oidc_discovery',
  'oidcConfig.jwksURL': 'oidc_jwks_url',
  'oidcConfig.publicKeyFiles': 'oidc_public_key_files',
  'oidcConfig.emailClaim': 'oidc_email_claim',
  'oidcConfig.groupsClaim': 'oidc_groups_claim',
  'oidcConfig.userIDClaim': 'user_id_claim',
  'oidcConfig.audienceClaims': 'oidc_audience_claims',
  'oidcConfig.extraAudiences': 'oidc_extra_audiences',
  'oidcConfig.enabledSigningAlgs': 'oidc_enabled_signing_algs',
  'loginGovConfig.jwtKey': 'jwt_key',
  'loginGovConfig.jwtKeyFile': 'jwt_key_file',
  'loginGovConfig.pubjwkURL': 'pubjwk_url',
  provider: 'provider',
  name: 'provider_display_name',
  caFiles: 'provider_ca_files',
  useSystemTrustStore: 'use_system_trust_store',
  loginURL: 'login_url',
  authRequestResponseMode: 'auth_request_response_mode',
  redeemURL: 'redeem_url',
  profileURL: 'profile_url',
  skipClaimsFromProfileURL: 'skip_claims_from_profile_url',
  resource: 'resource',
  validateURL: 'validate_url',
  scope: 'scope',
  allowedGroups: 'allowed_groups',
  code_challenge_method: 'code_challenge_method',
  backendLogoutURL: 'backend_logout_url',
};

/** The keys of a listener, below `server` and `metricsServer`. */
export const ALPHA_SERVER_ROWS: Readonly<Record<string, OptionKey>> = {
  'server.bindAddress': 'http_address',
  'server.secureBindAddress': 'https_address',
  'server.tls.key.fromFile': 'tls_key_file',
  'server.tls.cert.fromFile': 'tls_cert_file',
  'server.tls.minVersion': 'tls_min_version',
  'server.tls.cipherSuites': 'tls_cipher_suites',
  'metricsServer.bindAddress': 'metrics_address',
  'metricsServer.secureBindAddress': 'metrics_secure_address',
  'metricsServer.tls.key.fromFile': 'metrics_tls_key_file',
  'metricsServer.tls.cert.fromFile': 'metrics_tls_cert_file',
};

const TLS_ELSEWHERE = {
  becomes: 'dropped',
  text: 'A certificate and its key are in files. Put it into one, and name that.',
} as const;

/** Every key. */
export const ALPHA_ROWS: readonly AlphaRow[] = [
  ...Object.entries(ALPHA_PROVIDER_ROWS).map(([path, as]) => ({ path: `providers[].${path}`, as })),
  {
    path: 'providers[].id',
    as: { becomes: ['login.oidc[].name'], text: 'If it is a name here: lower case letters, digits and `-`.' },
  },
  {
    path: 'providers[].loginURLParameters',
    as: {
      becomes: ['login.oidc[].authorizationParameters'],
      text: 'The default of each. No parameter of a request is passed on to the provider (`allow`).',
    },
  },
  {
    path: 'providers[].additionalClaims',
    as: { becomes: ['login.oidc[].attributes'], text: 'Those that a header has.' },
  },
  {
    path: 'providers[].ADFSConfig.skipScope',
    as: { becomes: 'dropped', text: 'A request for an ID token has the scope `openid`.' },
  },
  ...Object.entries(ALPHA_SERVER_ROWS).map(([path, as]) => ({ path, as })),
  ...['server', 'metricsServer'].flatMap((server) =>
    ['key', 'cert'].flatMap((file) =>
      ['value', 'fromEnv'].map((source) => ({ path: `${server}.tls.${file}.${source}`, as: TLS_ELSEWHERE })),
    ),
  ),
  { path: 'metricsServer.tls.minVersion', as: 'metrics_tls_cert_file' },
  { path: 'metricsServer.tls.cipherSuites', as: 'metrics_tls_cert_file' },
  {
    path: 'upstreamConfig.proxyRawPath',
    as: {
      becomes: 'dropped',
      text: 'Paths pass as they are. `%2F` in a path is refused unless the route has `pathExceptions: [encodedSlash]`.',
    },
  },
  {
    path: 'upstreamConfig.upstreams[].id',
    as: { becomes: ['upstreams.<name>', 'routes[].id'], text: 'In lower case.' },
  },
  {
    path: 'upstreamConfig.upstreams[].path',
    as: {
      becomes: ['routes[].match'],
      text: 'With a slash at the end `path`, else `exactPath`. A regular expression is carried over if it is a path or a prefix.',
    },
  },
  {
    path: 'upstreamConfig.upstreams[].rewriteTarget',
    as: {
      becomes: ['routes[].rewrite'],
      text: '`stripPrefix` and `addPrefix`, if it replaces the beginning of the path.',
    },
  },
  { path: 'upstreamConfig.upstreams[].uri', as: 'upstreams' },
  {
    path: 'upstreamConfig.upstreams[].static',
    as: { becomes: ['listeners.authorizer'], text: 'It stands for answers to a proxy that asks.' },
  },
  {
    path: 'upstreamConfig.upstreams[].staticCode',
    as: { becomes: 'builtIn', text: 'The authorizer answers 200 to what may pass.' },
  },
  { path: 'upstreamConfig.upstreams[].insecureSkipTLSVerify', as: 'ssl_upstream_insecure_skip_verify' },
  { path: 'upstreamConfig.upstreams[].flushInterval', as: 'flush_interval' },
  { path: 'upstreamConfig.upstreams[].passHostHeader', as: 'pass_host_header' },
  { path: 'upstreamConfig.upstreams[].proxyWebSockets', as: 'proxy_websockets' },
  { path: 'upstreamConfig.upstreams[].timeout', as: 'upstream_timeout' },
  { path: 'upstreamConfig.upstreams[].disableKeepAlives', as: 'disable_keep_alives' },
  ...(['injectRequestHeaders', 'injectResponseHeaders'] as const).flatMap((list): AlphaRow[] => [
    { path: `${list}[].name`, as: IDENTITY },
    { path: `${list}[].preserveRequestValue`, as: 'skip_auth_strip_headers' },
    {
      path: `${list}[].InsecureSkipHeaderNormalization`,
      as: {
        becomes: 'builtIn',
        text: 'Names are sent as they are written, and compared without regard to case, `_` and `-`.',
      },
    },
    { path: `${list}[].values[].secretSource.value`, as: STATIC },
    { path: `${list}[].values[].secretSource.fromEnv`, as: STATIC },
    { path: `${list}[].values[].secretSource.fromFile`, as: STATIC },
    { path: `${list}[].values[].claimSource.claim`, as: IDENTITY },
    {
      path: `${list}[].values[].claimSource.prefix`,
      as: {
        becomes: 'dropped',
        text: 'An identity header has the value alone. `Bearer ` with `id_token` becomes the upstream token.',
      },
    },
    ...['value', 'fromEnv', 'fromFile'].map(
      (source): AlphaRow => ({
        path: `${list}[].values[].claimSource.basicAuthPassword.${source}`,
        as: 'basic_auth_password',
      }),
    ),
  ]),
];
