/**
 * An identity provider with every setting that its configuration leaves out: a key of the configuration wins over the preset,
 * and the preset over the default.
 */

import { type PresetSettings, type ProviderEndpoints, presetOf, STANDARD_ATTRIBUTES } from './presets.ts';
import type { ProviderConfig } from './section.ts';

const OPENID_SCOPES = ['openid', 'profile', 'email'];

/** A provider as it is configured, completed with its preset and the defaults. */
export type ProviderSettings = ReturnType<typeof withPreset>;

/** Completes a provider. */
export function withPreset(written: ProviderConfig) {
  const preset = written.preset === undefined ? null : presetOf(written.preset);
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
function hostedDomainHint({ allow }: ProviderConfig): Record<string, string> {
  const [only, ...others] = allow?.hostedDomains ?? [];
  return only === undefined ? {} : { hd: others.length === 0 ? only : '*' };
}
