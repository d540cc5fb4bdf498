/** A service token as a kind of credential: a bearer JWT of an issuer that the route lists. */

import { z } from 'zod';
import { name } from '../../config/fields.ts';
import { Denial } from '../../errors.ts';
import { bearerChallenge } from '../../lib/http/challenge.ts';
import type { Accepted, CredentialKind } from '../kind.ts';

/** Tokens of these issuers are accepted. */
export interface AcceptedServiceTokens extends Accepted {
  readonly kind: ServiceTokenKind;
  /** By their names in the configuration. */
  readonly issuers: ReadonlySet<string>;
}

interface ServiceTokenKind extends CredentialKind<AcceptedServiceTokens> {
  readonly name: 'service';
}

const schema = () =>
  z.strictObject({
    service: z.array(name()).min(1).meta({ description: 'Issuers whose service tokens are accepted.' }),
  });
type Written = z.output<ReturnType<typeof schema>>;

const isWritten = (written: unknown): written is Written =>
  typeof written === 'object' && written !== null && 'service' in written;

/** The kind. */
export const SERVICE_TOKEN: ServiceTokenKind = Object.freeze<ServiceTokenKind>({
  name: 'service',
  noun: 'a service token',
  carrier: 'an Authorization header',
  isInAuthorization: true,
  comesFromLogin: false,
  isToken: true,
  isAmbient: false,
  isUnknownToCaches: false,
  ending: {
    denial: new Denial('token_invalid', 'token was revoked or expired while a stream of it was open'),
    closeReason: 'token ended',
    label: 'token',
  },
  written: {
    forms: [{ text: '{ service: [issuer, …] }', schema, description: null }],
    read: (written) =>
      isWritten(written) ? { accepted: acceptServiceTokens(written.service), isOptional: false } : null,
  },
  isPresentedIn: ({ authorization }) => authorization !== null,
});

/** Accepts the tokens of these issuers. */
function acceptServiceTokens(issuers: readonly string[]): AcceptedServiceTokens {
  return Object.freeze<AcceptedServiceTokens>({
    kind: SERVICE_TOKEN,
    words: `a token of ${issuers.join(' or ')}`,
    issuers: new Set(issuers),
    challenge: (reason) => bearerChallenge(reason === 'token_invalid' ? 'invalid_token' : null),
  });
}

/** The issuers whose tokens a rule accepts, by name; none where it accepts no service tokens. */
export const issuersOf = ({ accepts }: { readonly accepts: readonly Accepted[] }): readonly string[] =>
  accepts.flatMap((accepted) => ('issuers' in accepted ? [...(accepted as AcceptedServiceTokens).issuers] : []));
