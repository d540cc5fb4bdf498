/** The entries of `login.oidc`: the identity providers that people log in with. */

import { z } from 'zod';
import {
  domainName,
  duration,
  filePath,
  httpUrl,
  notEmpty,
  optionalDuration,
  type SchemaContext,
} from '../../../config/fields.ts';
import { MAX_CLOCK_SKEW_MS } from '../../../lib/token-limits.ts';
import { attributeName } from '../user-attributes.ts';
import { CLIENT_AUTHENTICATIONS, PRESET_NAMES } from './presets.ts';
import { CLAIM_PATH } from './user/claim-path.ts';

/** What a client assertion can be signed with. */
export const ASSERTION_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const;

const claimPath = () =>
  z
    .string()
    .max(200)
    .regex(
      CLAIM_PATH,
      'is not a claim path: write the name of a claim, or names joined with dots, such as realm_access.roles',
    )
    .meta({ kind: 'claim path' });

const allow = () =>
  z
    .strictObject({
      emailDomains: z.array(domainName()).min(1).optional().meta({
        description:
          'Domains of email addresses, of which one is enough: exact, without domains below it. Only an address that the provider states as verified counts.',
      }),
      hostedDomains: z.array(domainName()).min(1).optional().meta({
        description: 'Google Workspace domains (claim `hd`), of which one is enough.',
      }),
      groups: z.array(z.string().min(1)).min(1).optional().meta({
        description: 'Groups, of which one is enough. Needs `groups`.',
      }),
      claims: z
        .record(claimPath(), z.union([z.string(), z.boolean(), z.array(z.string()).min(1)]))
        .refine(notEmpty, { message: 'must not be empty' })
        .optional()
        .meta({
          description:
            'Claim path → the value that the claim must have (or contain), or a list of values of which one is enough.',
        }),
    })
    .refine(notEmpty, { message: 'must not be empty: leave `allow` out to admit everybody whom the provider admits' });

const clientAssertion = (context: SchemaContext) =>
  z.strictObject({
    keyFile: filePath(context).meta({
      description: 'Private key, PEM: P-256, P-384, P-521, Ed25519, or RSA of at least 2,048 bits.',
      secretFile: 'client credential',
    }),
    certFile: filePath(context).optional().meta({
      description:
        'Certificate of the key, PEM, for a provider that finds the key by its thumbprint, as Entra ID does: `x5t#S256` of the assertion.',
    }),
    algorithm: z.enum(ASSERTION_ALGORITHMS).optional().meta({
      description: 'Signature algorithm. Default: what the key is for; RS256 for an RSA key.',
    }),
    keyId: z.string().min(1).max(256).optional().meta({ description: '`kid` of the assertion.' }),
    audience: z.enum(['issuer', 'tokenEndpoint']).optional().meta({
      description: '`aud` of the assertion. Default: tokenEndpoint for entra, else issuer.',
    }),
  });

const clientCertificate = (context: SchemaContext) =>
  z.strictObject({
    certFile: filePath(context).meta({ description: 'Client certificate, PEM, with intermediates if it has any.' }),
    keyFile: filePath(context).meta({ description: 'Key of the certificate, PEM.', secretFile: 'client credential' }),
  });

const endpoints = () =>
  z.strictObject({
    authorization: httpUrl().meta({ description: 'Authorization endpoint.' }),
    token: httpUrl().meta({ description: 'Token endpoint.' }),
    userinfo: httpUrl().meta({ description: 'Endpoint that describes the user, as a JSON object.' }),
    documents: z
      .record(
        z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, 'is not a name: use lower case letters, digits and "_"'),
        httpUrl(),
      )
      .optional()
      .meta({
        description:
          'Further JSON documents about the user: name → URL. Claim paths find them under their name. One called `emails`, in the format of GitHub, gives the verified email address.',
      }),
  });

/** One identity provider. Long because it is one list of keys. */
export const identityProvider = (context: SchemaContext) =>
  z.strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, 'is not a name: at most 32 lower case letters, digits and "-"')
      .meta({
        kind: 'name',
        description:
          'Name of the provider: in `?provider=`, in `login` of a route, in metrics, in the redirect URI ({publicOrigin}{basePath}/callback/{name}, unless `callbackPath` says otherwise), and at the beginning of the subject of everybody who logs in with it. Renaming it turns its users into different ones.',
      }),
    preset: z.enum(PRESET_NAMES).optional().meta({
      description: 'Settings for a well-known provider. Keys that are written here win.',
    }),
    label: z.string().min(1).max(60).optional().meta({
      description: 'Name on the login page. Default: that of the preset, else `name`.',
    }),
    callbackPath: z
      .string()
      .regex(
        /^\/callback(?:\/[A-Za-z0-9_-]+)*$/,
        'is not a callback path: /callback, or segments of letters, digits, "_" and "-" below it',
      )
      .optional()
      .meta({
        description:
          'Path of the redirect URI below `basePath`: /callback, or a path below that. `basePath: /oauth2` with /callback gives that of oauth2-proxy. Default: /callback/{name}.',
      }),
    logoFile: filePath(context).optional().meta({
      description: 'Logo on its button of the login page: SVG or PNG, at most 32 KiB, as `pages.logoFile`.',
    }),
    issuer: httpUrl().optional().meta({
      description:
        'Issuer of an OpenID Provider, exactly as its ID tokens have it. Its metadata are read at /.well-known/openid-configuration below it. Plain http only on this machine.',
    }),
    endpoints: endpoints().optional().meta({
      description:
        'Endpoints of an OAuth 2.0 server without ID tokens. Who the user is comes from `userinfo`. Instead of `issuer`.',
    }),
    clientId: z.string().min(1).max(512).meta({ description: 'Client id at the provider.' }),
    clientSecretFile: filePath(context).optional().meta({
      description: 'File with the client secret.',
      secretFile: 'client credential',
    }),
    clientAssertion: clientAssertion(context).optional().meta({
      description: 'A key with which the gateway authenticates at the provider (private_key_jwt), instead of a secret.',
    }),
    clientCertificate: clientCertificate(context).optional().meta({
      description:
        'A certificate that the gateway presents to the provider by TLS, wherever it is asked for one. Without a secret or a key it is how the gateway authenticates (tls_client_auth or self_signed_tls_client_auth). Requests then go to `mtls_endpoint_aliases` of the metadata where there are any.',
    }),
    clientAuthentication: z.enum(CLIENT_AUTHENTICATIONS).optional().meta({
      description:
        'How the gateway authenticates at the token endpoint. Default: privateKeyJwt with clientAssertion; with clientSecretFile basic, or post where the provider offers nothing else; tlsClientAuth with clientCertificate alone; else none.',
    }),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'is not a scope (RFC 6749 §3.3)'))
      .min(1)
      .optional()
      .meta({ description: 'Scopes to request. Default: openid, profile and email; with endpoints none.' }),
    responseMode: z.enum(['query', 'formPost']).prefault('query').meta({
      description:
        '`formPost`: the provider sends the browser back with a POST from its own site, so the cookie of a login in progress must be SameSite=None.',
    }),
    pushedAuthorizationRequests: z.enum(['auto', 'always', 'never']).prefault('auto').meta({
      description:
        'Whether the gateway hands the authorization request to the provider itself (RFC 9126), so that the browser carries only a reference. `auto`: where the provider offers it.',
    }),
    authorizationParameters: z
      .record(z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'is not the name of a parameter'), z.string().max(1_000))
      .prefault({})
      .meta({ description: 'Further parameters of the authorization request, such as `prompt` or `audience`.' }),
    userinfo: z.boolean().optional().meta({
      description:
        'Whether the userinfo endpoint is asked as well; its `sub` must be that of the ID token. Default: with endpoints, okta and gitlab.',
    }),
    subject: claimPath().optional().meta({
      description:
        'Claim that names the user for good. The subject of the session is {name}|{value}. Default: `sub`; for github `id`.',
    }),
    attributes: z.record(attributeName(), claimPath()).optional().meta({
      description:
        'Attributes of the session: name → claim path. `roles` and `groups` have keys of their own. `email` is left out unless it is verified. Default: email and name, with some presets the user name too.',
    }),
    roles: claimPath().optional().meta({
      description:
        'Claim with the roles, a string or a list of strings. Default: for entra `roles`, for keycloak `realm_access.roles`, else none.',
    }),
    groups: claimPath().optional().meta({
      description:
        'Claim with the groups, a string or a list of strings; they become the attribute `groups`: all of them, or, with allow.groups, those that are named there. Default: for entra, okta and gitlab `groups`, for cognito `cognito:groups`, else none.',
    }),
    emailVerified: claimPath().optional().meta({
      description:
        'Claim that says whether the email address is verified. Default: `email_verified`; for entra `xms_edov`.',
    }),
    trustEmail: z.boolean().prefault(false).meta({
      description:
        "Whether every email address that the provider states counts as verified. Only where nobody can enter another person's address.",
    }),
    logoutAtProvider: z.boolean().prefault(false).meta({
      description:
        'Whether a user who logs out here continues to the logout of the provider, in the same browser. {publicOrigin}{basePath}/logged-out has to be registered there as a post-logout redirect URI.',
    }),
    frontchannelLogout: z.boolean().prefault(false).meta({
      description:
        'Whether the provider can end sessions through a frame in its logout page ({publicOrigin}{basePath}/frontchannel-logout/{name}), besides by logout tokens. Anyone who knows the `sid` of a session there can then end it here.',
    }),
    allow: allow().optional().meta({
      description: 'Who may log in. All keys must hold. Left out: everybody whom the provider admits.',
    }),
    revalidate: optionalDuration({ atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description:
        'How often the provider is asked again about each session in use, by refresh token and in the background: roles and attributes are updated, `allow` is checked again, and a user whom the provider no longer admits is logged out everywhere. Needs a refresh token: the gateway requests the scope offline_access, unless `scopes` is set or the preset does not need it. Left out: never.',
    }),
    outageGrace: duration('1h', { atMostMs: 604_800_000 }).meta({
      description:
        'While the provider does not answer (`revalidate`), sessions that it confirmed this recently are served as before. After that, requests wait for the provider and get 503; nobody is logged out. 0s: no grace.',
    }),
    sessionEnds: claimPath().optional().meta({
      description:
        'Claim of the ID token or of userinfo that says when the session ends at the latest, in seconds since 1970, such as `exp`. A login without it is refused. Default: `session.absoluteTimeout`, which applies in any case.',
    }),
    clockSkew: duration('30s', { atMostMs: MAX_CLOCK_SKEW_MS }).meta({
      description: 'Leeway for the times in ID tokens.',
    }),
    refreshEvery: duration('10m', { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description:
        'How often metadata and keys of the provider are fetched in the background, plus or minus a tenth; a token with an unknown key fetches them at once. When fetches fail, the last good ones stay in use for a day.',
    }),
    timeout: duration('10s', { atLeastMs: 10, atMostMs: 60_000 }).meta({
      description: 'Timeout of a whole request to the provider.',
    }),
    caFile: filePath(context)
      .optional()
      .meta({ description: 'CA of the servers of the provider, PEM. Default: the CAs of the system.' }),
  });

/** One identity provider, loaded. */
export type ProviderConfig = z.output<ReturnType<typeof identityProvider>>;
