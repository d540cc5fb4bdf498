/** Which keys of an identity provider go together. */

import type { z } from 'zod';
import type { ProviderConfig } from './section.ts';
import { withPreset } from './settings.ts';

/** Parameters of the authorization request that the gateway sets itself. */
const OWN_PARAMETERS = [
  'client_id',
  'client_secret',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
];

/** Reports what is wrong: where the provider is, what is asked of it, and how the gateway authenticates to it. */
export function checkProvider(written: ProviderConfig, refinement: z.RefinementCtx): void {
  const problem = (message: string, ...path: string[]) => refinement.addIssue({ code: 'custom', message, path });
  const { issuer, endpoints: ends, scopes } = withPreset(written);
  if (written.issuer !== undefined && written.endpoints !== undefined) problem('needs issuer or endpoints, not both');
  else if (issuer === null && ends === null) problem(needsIssuer(written));
  if (ends === null && !scopes.includes('openid')) problem('must include openid', 'scopes');
  if (ends !== null && scopes.includes('openid'))
    problem('includes openid, which needs issuer instead of endpoints', 'scopes');
  if (written.userinfo === false && ends !== null)
    problem('cannot be false with endpoints: nothing else says who the user is', 'userinfo');
  if (written.logoutAtProvider && ends !== null) problem('needs issuer instead of endpoints', 'logoutAtProvider');
  if (written.frontchannelLogout && ends !== null) problem('needs issuer instead of endpoints', 'frontchannelLogout');
  for (const name of Object.keys(written.authorizationParameters)) {
    if (OWN_PARAMETERS.includes(name))
      problem('is a parameter that the gateway sets itself', 'authorizationParameters', name);
  }
  for (const name of ['roles', 'groups']) {
    if (written.attributes !== undefined && Object.hasOwn(written.attributes, name))
      problem(`has a key of its own: write ${name} beside attributes`, 'attributes', name);
  }
  checkClient(written, problem);
}

const ISSUER_EXAMPLES: Readonly<Record<string, string>> = {
  entra: 'https://login.microsoftonline.com/{tenant id}/v2.0',
  keycloak: 'https://{host}/realms/{realm}',
  okta: 'https://{org}.okta.com',
  auth0: 'https://{tenant}.auth0.com/',
  cognito: 'https://cognito-idp.{region}.amazonaws.com/{user pool id}',
};

function needsIssuer({ preset }: ProviderConfig): string {
  const example = preset === undefined ? undefined : ISSUER_EXAMPLES[preset];
  return example === undefined ? 'needs issuer, or endpoints' : `needs issuer, such as ${example}`;
}

function checkClient(
  {
    clientSecretFile,
    clientAssertion: assertion,
    clientCertificate: certificate,
    clientAuthentication: how,
  }: ProviderConfig,
  problem: (message: string, ...path: string[]) => void,
): void {
  if (clientSecretFile !== undefined && assertion !== undefined)
    problem('needs clientSecretFile or clientAssertion, not both');
  if (how === undefined) return;
  const wrong = (message: string) => problem(message, 'clientAuthentication');
  const hasSecretOrKey = clientSecretFile !== undefined || assertion !== undefined;
  if ((how === 'basic' || how === 'post') && clientSecretFile === undefined) wrong('needs clientSecretFile');
  if ((how === 'basic' || how === 'post') && assertion !== undefined) wrong('does not go with clientAssertion');
  if (how === 'privateKeyJwt' && assertion === undefined) wrong('needs clientAssertion');
  if (how === 'tlsClientAuth' && certificate === undefined) wrong('needs clientCertificate');
  if ((how === 'tlsClientAuth' || how === 'none') && hasSecretOrKey) wrong('has no use for a secret or a key');
  if (how === 'none' && certificate !== undefined) wrong('has no use for a certificate');
}
