/** What is known of each provider of oauth2-proxy, so that its settings can be written for the gateway. */

/** One provider of oauth2-proxy. */
export interface ProviderKind {
  /** Name of the entry in `login.oidc`. */
  readonly name: string;
  readonly preset?: 'google' | 'github' | 'gitlab' | 'keycloak' | 'entra';
  /** `null`: an OAuth 2.0 server without ID tokens. Left out: from the options. */
  readonly issuer?: string | null;
  /** Where the options do not say. */
  readonly endpoints?: { readonly authorization: string; readonly token: string; readonly userinfo: string };
  readonly scopes?: readonly string[];
  /** Claim that names the user for good. Left out: that of the preset. */
  readonly subject?: string;
  /** Claim that oauth2-proxy has as `user`. */
  readonly user: string;
  readonly email?: string;
  /** Claim with the name that a user chooses. */
  readonly username?: string;
  readonly groups?: string;
  /** Claim that says whether the email address is verified. Left out: that of the preset, or `email_verified`. */
  readonly emailVerified?: string;
  /** oauth2-proxy finds no groups there, or none without an API that the gateway does not ask. */
  readonly hasNoGroups?: true;
  /** Whether the userinfo endpoint is left alone. */
  readonly isSilent?: true;
  /** What to know about it. */
  readonly note?: string;
}

const UNVERIFIED =
  'It does not say whether an email address is verified, so none counts. `trustEmail: true` takes all of them, as oauth2-proxy does.';
const GITHUB = 'https://github.com/login/oauth';

/** By `provider` of oauth2-proxy. */
export const PROVIDER_KINDS: Readonly<Record<string, ProviderKind>> = {
  oidc: { name: 'oidc', user: 'sub', username: 'preferred_username' },
  adfs: {
    name: 'adfs',
    user: 'sub',
    username: 'preferred_username',
    note: 'oauth2-proxy falls back to `upn` if there is no email address; the gateway reads `oidc_email_claim` only.',
  },
  cidaas: { name: 'cidaas', user: 'sub', username: 'preferred_username', groups: 'groups[].groupId' },
  'keycloak-oidc': { name: 'keycloak', preset: 'keycloak', user: 'sub', username: 'preferred_username' },
  'entra-id': { name: 'entra', preset: 'entra', user: 'sub', username: 'preferred_username', isSilent: true },
  azure: { name: 'entra', preset: 'entra', user: 'sub', username: 'preferred_username', isSilent: true },
  gitlab: { name: 'gitlab', preset: 'gitlab', user: 'nickname', username: 'preferred_username' },
  google: { name: 'google', hasNoGroups: true, preset: 'google', user: 'sub', isSilent: true },
  linkedin: {
    name: 'linkedin',
    hasNoGroups: true,
    issuer: 'https://www.linkedin.com/oauth',
    scopes: ['openid', 'profile', 'email'],
    user: 'sub',
    note: 'LinkedIn is an OpenID Provider today: its application needs the product "Sign In with LinkedIn using OpenID Connect".',
  },
  'login.gov': {
    name: 'login-gov',
    hasNoGroups: true,
    issuer: 'https://secure.login.gov/',
    scopes: ['openid', 'email'],
    user: 'sub',
    isSilent: true,
  },
  github: {
    name: 'github',
    preset: 'github',
    issuer: null,
    endpoints: {
      authorization: `${GITHUB}/authorize`,
      token: `${GITHUB}/access_token`,
      userinfo: 'https://api.github.com/user',
    },
    scopes: ['read:user', 'user:email', 'read:org'],
    user: 'login',
    username: 'login',
  },
  bitbucket: {
    name: 'bitbucket',
    hasNoGroups: true,
    issuer: null,
    endpoints: {
      authorization: 'https://bitbucket.org/site/oauth2/authorize',
      token: 'https://bitbucket.org/site/oauth2/access_token',
      userinfo: 'https://api.bitbucket.org/2.0/user',
    },
    scopes: ['account', 'email'],
    subject: 'account_id',
    user: 'account_id',
    username: 'nickname',
    note: 'Bitbucket returns email addresses in a separate format that the gateway does not read, so `allow` cannot use them.',
  },
  digitalocean: {
    name: 'digitalocean',
    hasNoGroups: true,
    issuer: null,
    endpoints: {
      authorization: 'https://cloud.digitalocean.com/v1/oauth/authorize',
      token: 'https://cloud.digitalocean.com/v1/oauth/token',
      userinfo: 'https://api.digitalocean.com/v2/account',
    },
    scopes: ['read'],
    subject: 'account.uuid',
    user: 'account.uuid',
    email: 'account.email',
    emailVerified: 'account.email_verified',
  },
  facebook: {
    name: 'facebook',
    hasNoGroups: true,
    issuer: null,
    endpoints: {
      authorization: 'https://www.facebook.com/dialog/oauth',
      token: 'https://graph.facebook.com/oauth/access_token',
      userinfo: 'https://graph.facebook.com/me?fields=id,name,email',
    },
    scopes: ['public_profile', 'email'],
    subject: 'id',
    user: 'id',
    note: UNVERIFIED,
  },
  keycloak: { name: 'keycloak', issuer: null, user: 'sub', username: 'preferred_username', groups: 'groups' },
  nextcloud: {
    name: 'nextcloud',
    issuer: null,
    subject: 'ocs.data.id',
    user: 'ocs.data.id',
    email: 'ocs.data.email',
    groups: 'ocs.data.groups',
    note: UNVERIFIED,
  },
};
