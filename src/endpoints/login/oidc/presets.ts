/**
 * What is known of identity providers that many people have, so that a configuration needs to say only what is its own. Every
 * setting can be overridden: a key of the configuration wins over the preset, and the preset over the default.
 */

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

/** Who may log in; all keys must hold. */
export interface AllowedUsers {
  readonly emailDomains?: readonly string[] | undefined;
  readonly hostedDomains?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly claims?: Readonly<Record<string, string | boolean | readonly string[]>> | undefined;
}

/** A provider as a configuration has it. */
export interface WrittenProvider {
  readonly name: string;
  readonly preset?: PresetName | undefined;
  readonly label?: string | undefined;
  readonly callbackPath?: string | undefined;
  readonly issuer?: string | undefined;
  readonly endpoints?: ProviderEndpoints | undefined;
  readonly clientId: string;
  readonly clientSecretFile?: string | undefined;
  readonly clientAssertion?:
    | {
        readonly keyFile: string;
        readonly certFile?: string | undefined;
        readonly algorithm?: string | undefined;
        readonly keyId?: string | undefined;
        readonly audience?: 'issuer' | 'tokenEndpoint' | undefined;
      }
    | undefined;
  readonly clientCertificate?: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly clientAuthentication?: ClientAuthentication | undefined;
  readonly scopes?: readonly string[] | undefined;
  readonly responseMode: 'query' | 'formPost';
  readonly pushedAuthorizationRequests: 'auto' | 'always' | 'never';
  readonly authorizationParameters: Readonly<Record<string, string>>;
  readonly userinfo?: boolean | undefined;
  readonly subject?: string | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly roles?: string | undefined;
  readonly groups?: string | undefined;
  readonly emailVerified?: string | undefined;
  readonly trustEmail: boolean;
  readonly logoutAtProvider: boolean;
  readonly frontchannelLogout: boolean;
  readonly allow?: AllowedUsers | undefined;
  /** In milliseconds, like all durations after it. */
  readonly clockSkew: number;
  readonly timeout: number;
  readonly refreshEvery: number;
  readonly revalidate?: number | undefined;
  readonly outageGrace: number;
  readonly sessionEnds?: string | undefined;
}

type ClientAuthentication = (typeof CLIENT_AUTHENTICATIONS)[number];

/** The part of a provider that a preset can fill in. */
interface PresetSettings {
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

const STANDARD_ATTRIBUTES = { email: 'email', name: 'name' };

/** The presets, by name. */
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

/** The name of a preset. */
export type PresetName = keyof typeof PRESETS;

/** The names of the presets. */
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

const presetOf = (name: PresetName | undefined): PresetSettings | null => (name === undefined ? null : PRESETS[name]);

const OPENID_SCOPES = ['openid', 'profile', 'email'];

/** A provider as it is written, filled up with its preset and the defaults. */
export type ProviderSettings = ReturnType<typeof withPreset>;

/** Fills a provider up. */
export function withPreset(written: WrittenProvider) {
  const preset = presetOf(written.preset);
  const endpoints = written.endpoints ?? (written.issuer === undefined ? preset?.endpoints : undefined) ?? null;
  const issuer = written.issuer ?? (endpoints === null ? (preset?.issuer ?? null) : null);
  const { name, clientId, responseMode, allow } = written;
  const revalidates = written.revalidate !== undefined;
  return {
    name,
    preset: written.preset ?? null,
    label: written.label ?? preset?.label ?? name,
    /** Below `basePath`. */
    callbackPath: written.callbackPath ?? `/callback/${name}`,
    /** `null` without discovery and without the parameter `iss`. */
    issuer,
    /** `null` with discovery. */
    endpoints,
    clientId,
    clientAuthentication: written.clientAuthentication ?? preset?.clientAuthentication ?? null,
    assertionAudience: written.clientAssertion?.audience ?? preset?.assertionAudience ?? 'issuer',
    scopes: written.scopes ?? scopesOf(preset, endpoints, revalidates),
    responseMode,
    pushedAuthorizationRequests: written.pushedAuthorizationRequests,
    authorizationParameters: {
      ...hostedDomainHint(written),
      ...(revalidates && preset?.refreshParameters),
      ...written.authorizationParameters,
    },
    /** Whether userinfo is asked: without an ID token there is nothing else to ask. */
    userinfo: written.userinfo ?? (endpoints !== null || preset?.userinfo === true),
    subject: written.subject ?? preset?.subject ?? 'sub',
    attributes: written.attributes ?? preset?.attributes ?? STANDARD_ATTRIBUTES,
    roles: written.roles ?? preset?.roles ?? null,
    groups: written.groups ?? preset?.groups ?? null,
    emailVerified: written.emailVerified ?? preset?.emailVerified ?? 'email_verified',
    trustEmail: written.trustEmail,
    logoutAtProvider: written.logoutAtProvider,
    frontchannelLogout: written.frontchannelLogout,
    allow,
    switchPrompt: preset?.switchPrompt ?? 'login',
    clockSkewMs: written.clockSkew,
    timeoutMs: written.timeout,
    refreshEveryMs: written.refreshEvery,
    /** How often the provider is asked again about a session; `null`: never. */
    revalidateEveryMs: written.revalidate ?? null,
    outageGraceMs: written.outageGrace,
    /** `null`: the provider does not say when a session ends. */
    sessionEnds: written.sessionEnds ?? null,
  };
}

function scopesOf(
  preset: PresetSettings | null,
  endpoints: ProviderEndpoints | null,
  revalidates: boolean,
): readonly string[] {
  if (endpoints !== null) return preset?.scopes ?? [];
  const refreshScope = preset?.refreshScope === undefined ? 'offline_access' : preset.refreshScope;
  const more = revalidates && refreshScope !== null ? [refreshScope] : [];
  return [...(preset?.scopes ?? OPENID_SCOPES), ...more];
}

/** Google then offers accounts of the domain first. It is a hint: the claim `hd` is what is checked. */
function hostedDomainHint({ allow }: WrittenProvider): Record<string, string> {
  const [only, ...others] = allow?.hostedDomains ?? [];
  return only === undefined ? {} : { hd: others.length === 0 ? only : '*' };
}
