/** What is known about common identity providers, so that a configuration states only what is specific to it. */

/** Endpoints of a provider without discovery. */
export interface ProviderEndpoints {
  readonly authorization: string;
  readonly token: string;
  readonly userinfo?: string | undefined;
  /** Further documents about the user, by the name under which claim paths find them. */
  readonly documents?: Readonly<Record<string, string>> | undefined;
}

/** How a client can authenticate at the token endpoint (OpenID Connect Core §9, RFC 8705 §2). */
export const CLIENT_AUTHENTICATIONS = ['basic', 'post', 'privateKeyJwt', 'tlsClientAuth', 'none'] as const;

type ClientAuthentication = (typeof CLIENT_AUTHENTICATIONS)[number];

/** The part of a provider that a preset can fill in. */
export interface PresetSettings {
  readonly label: string;
  readonly issuer?: string;
  readonly endpoints?: ProviderEndpoints;
  readonly scopes?: readonly string[];
  readonly clientAuthentication?: ClientAuthentication;
  readonly assertionAudience?: 'issuer' | 'tokenEndpoint';
  readonly userinfo?: boolean;
  readonly subject?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly roles?: string;
  readonly groups?: string;
  /** The claim that says whether the email address is verified. */
  readonly emailVerified?: string;
  /** `prompt` by which the provider lets the user choose another account. */
  readonly switchPrompt?: string;
  /** The scope that brings a refresh token; `null` where there is one without. Default: offline_access. */
  readonly refreshScope?: string | null;
  /** Parameters of the authorization request that bring a refresh token. */
  readonly refreshParameters?: Readonly<Record<string, string>>;
}

/** Attributes of a session, by the claims of OpenID Connect that they are from. */
export const STANDARD_ATTRIBUTES = { email: 'email', name: 'name' };

const PRESETS = {
  github: {
    label: 'GitHub',
    endpoints: {
      authorization: 'https://github.com/login/oauth/authorize',
      token: 'https://github.com/login/oauth/access_token',
      userinfo: 'https://api.github.com/user',
      // The address on the profile may be missing; this list says which one is verified.
      documents: { emails: 'https://api.github.com/user/emails' },
    },
    scopes: ['read:user', 'user:email'],
    clientAuthentication: 'post',
    subject: 'id',
    attributes: { ...STANDARD_ATTRIBUTES, login: 'login' },
    switchPrompt: 'select_account',
  },
  google: {
    label: 'Google',
    issuer: 'https://accounts.google.com',
    switchPrompt: 'select_account',
    refreshScope: null,
    // Without the prompt, only the first login of a user brings one.
    refreshParameters: { access_type: 'offline', prompt: 'consent' },
  },
  // `email` of Entra is whatever the administrator of a tenant has written there; `xms_edov`, an optional claim, says whether
  // the tenant owns its domain.
  entra: {
    label: 'Microsoft',
    emailVerified: 'xms_edov',
    roles: 'roles',
    groups: 'groups',
    assertionAudience: 'tokenEndpoint',
    attributes: { ...STANDARD_ATTRIBUTES, username: 'preferred_username' },
    switchPrompt: 'select_account',
  },
  keycloak: {
    label: 'Keycloak',
    // With offline_access, the grant would outlive the session at Keycloak, and a logout there would not be noticed.
    refreshScope: null,
    roles: 'realm_access.roles',
    attributes: { ...STANDARD_ATTRIBUTES, username: 'preferred_username' },
  },
  okta: {
    label: 'Okta',
    scopes: ['openid', 'profile', 'email', 'groups'],
    groups: 'groups',
    // With an org authorization server, profile claims are at the userinfo endpoint only.
    userinfo: true,
  },
  auth0: { label: 'Auth0' },
  cognito: {
    label: 'Amazon Cognito',
    refreshScope: null,
    groups: 'cognito:groups',
    attributes: { ...STANDARD_ATTRIBUTES, username: 'cognito:username' },
  },
  gitlab: {
    label: 'GitLab',
    refreshScope: null,
    issuer: 'https://gitlab.com',
    groups: 'groups',
    // The ID token leaves most groups out.
    userinfo: true,
    attributes: { ...STANDARD_ATTRIBUTES, username: 'preferred_username' },
  },
} as const satisfies Readonly<Record<string, PresetSettings>>;

type PresetName = keyof typeof PRESETS;

/** The names of the presets. */
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** A preset. */
export const presetOf = (name: PresetName): PresetSettings => PRESETS[name];
