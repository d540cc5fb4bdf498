/**
 * What openid-client needs to ask one provider as the gateway: its metadata in the library's words, the client, and how the client
 * authenticates. Made once for all logins, and again when the provider has changed.
 */

import { hash, X509Certificate } from 'node:crypto';
import type { ClientAuth, Configuration, CryptoKey, CustomFetch } from 'openid-client';
import { type Clock, systemClocks } from '../../../lib/clock.ts';
import type { ProviderFiles } from './client-credential.ts';
import { type ProviderMetadata, TENANT_PLACEHOLDER } from './metadata.ts';
import type { ProviderCall } from './series.ts';
import type { ProviderSettings } from './settings.ts';

let library: Promise<typeof import('openid-client')> | null = null;

/** The protocol library. Loaded when it is first needed: most runs of the program log nobody in. */
export function protocolLibrary(): Promise<typeof import('openid-client')> {
  // `import()` of what is loaded already still takes a hundredth of the time of a login.
  library ??= import('openid-client');
  return library;
}

interface ClientParts {
  readonly settings: ProviderSettings;
  readonly files: Pick<ProviderFiles, 'secret' | 'assertionKey' | 'certificate'>;
  readonly wallMs: Clock;
}

/** A configuration, and what it was made of. */
interface Made {
  readonly metadata: ProviderMetadata;
  readonly skewSec: number;
  readonly configuration: Configuration;
}

/** The library's configurations for one provider. */
export class ClientConfigurations {
  readonly #parts: ClientParts;
  readonly #made = new Map<ProviderCall, Made>();
  #authentication: { readonly metadata: ProviderMetadata; readonly how: ClientAuth } | null = null;

  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  /** For all calls of one kind, which share it: it must not be changed. @param send  always the same for the kind */
  async shared(call: ProviderCall, metadata: ProviderMetadata, send: CustomFetch): Promise<Configuration> {
    const skewSec = this.#skewSec();
    const present = this.#made.get(call);
    if (present?.metadata === metadata && present.skewSec === skewSec) return present.configuration;
    const configuration = await this.own(metadata, send);
    this.#made.set(call, { metadata, skewSec, configuration });
    return configuration;
  }

  /** For one call. */
  async own(metadata: ProviderMetadata, send: CustomFetch): Promise<Configuration> {
    const authentication = await this.#authenticationFor(metadata);
    return clientConfiguration(this.#parts.settings, metadata, { authentication, skewSec: this.#skewSec(), send });
  }

  /** How far the gateway's clock is ahead of the machine's, which is the one that the library reads. */
  #skewSec(): number {
    return Math.round((this.#parts.wallMs() - systemClocks.wallMs()) / 1_000);
  }

  async #authenticationFor(metadata: ProviderMetadata): Promise<ClientAuth> {
    if (this.#authentication?.metadata === metadata) return this.#authentication.how;
    const how = await authenticationOf(this.#parts, metadata);
    this.#authentication = { metadata, how };
    return how;
  }
}

async function authenticationOf(
  { settings, files: { secret, assertionKey, certificate } }: ClientParts,
  { tokenAuthMethods, tokenEndpoint }: ProviderMetadata,
): Promise<ClientAuth> {
  const { ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt, TlsClientAuth, modifyAssertion } =
    await protocolLibrary();
  const { clientAuthentication: how, assertionAudience } = settings;
  if (assertionKey !== null) {
    const { algorithm, keyId, certificate: named, pem } = assertionKey;
    const thumbprint = named === null ? null : hash('sha256', new X509Certificate(named).raw, 'base64url');
    const { importPKCS8 } = await import('jose');
    const key: CryptoKey = await importPKCS8(pem, algorithm);
    return PrivateKeyJwt(keyId === null ? key : { key, kid: keyId }, {
      [modifyAssertion]: (header: Record<string, unknown>, payload: Record<string, unknown>) => {
        // RFC 9864 has not reached most providers.
        if (algorithm === 'EdDSA') header['alg'] = algorithm;
        if (thumbprint !== null) header['x5t#S256'] = thumbprint;
        if (assertionAudience === 'tokenEndpoint') payload['aud'] = tokenEndpoint;
      },
    });
  }
  if (secret === null) return certificate === null ? None() : TlsClientAuth();
  const offersBasic = tokenAuthMethods === null || tokenAuthMethods.includes('client_secret_basic');
  const isPost = how === 'post' || (how === null && !offersBasic && tokenAuthMethods.includes('client_secret_post'));
  return isPost ? ClientSecretPost(secret) : ClientSecretBasic(secret);
}

/** The client of a provider, as the library represents it. */
export async function clientConfiguration(
  settings: Pick<ProviderSettings, 'issuer' | 'clientId' | 'clockSkewMs'>,
  metadata: ProviderMetadata,
  {
    authentication,
    skewSec,
    send,
  }: { readonly authentication: ClientAuth; readonly skewSec: number; readonly send: CustomFetch },
): Promise<Configuration> {
  const openid = await protocolLibrary();
  const server = serverOf(metadata);
  const client = { [openid.clockTolerance]: settings.clockSkewMs / 1_000, [openid.clockSkew]: skewSec };
  const configuration = metadata.issuer.includes(TENANT_PLACEHOLDER)
    ? await openid.discovery(new URL(settings.issuer as string), settings.clientId, client, authentication, {
        // What was fetched and checked: the library knows how the issuer of a token follows from the template.
        [openid.customFetch]: async () => Response.json(server),
      })
    : new openid.Configuration(server, settings.clientId, client, authentication);
  configuration[openid.customFetch] = send;
  // The transport has a limit of its own.
  configuration.timeout = 0;
  // Which addresses are plain http was decided with the configuration, and with the metadata.
  if (Object.values(server).some((url) => `${url}`.startsWith('http:'))) openid.allowInsecureRequests(configuration);
  return configuration;
}

/** Metadata in the library's words: what was read of them, and nothing else. */
const serverOf = (metadata: ProviderMetadata) => ({
  issuer: metadata.issuer,
  authorization_endpoint: metadata.authorizationEndpoint,
  token_endpoint: metadata.tokenEndpoint,
  ...(metadata.userinfoEndpoint !== null && { userinfo_endpoint: metadata.userinfoEndpoint }),
  ...(metadata.revocationEndpoint !== null && { revocation_endpoint: metadata.revocationEndpoint }),
  ...(metadata.pushedAuthorizationEndpoint !== null && {
    pushed_authorization_request_endpoint: metadata.pushedAuthorizationEndpoint,
  }),
  authorization_response_iss_parameter_supported: metadata.statesIssuer,
  id_token_signing_alg_values_supported: [...metadata.idTokenAlgorithms],
});
