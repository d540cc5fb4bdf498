/** The key `credential` of a route as it is written: which credential a request must present. */

import { z } from 'zod';
import { name } from '../config/fields.ts';

const serviceCredential = () =>
  z.strictObject({
    service: z.array(name()).min(1).meta({ description: 'Issuers whose service tokens are accepted.' }),
  });

/** `credential`. Has to be written out: there is no default. */
export const credential = () =>
  z.union(
    [
      z.literal('none').meta({ description: 'Public.' }),
      z.literal('session').meta({ description: 'A session cookie.' }),
      z.strictObject({
        session: z
          .literal('optional')
          .meta({ description: 'A session if there is one; else the request passes without a token.' }),
      }),
      serviceCredential(),
      z
        .tuple([z.literal('session'), serviceCredential()])
        .meta({ description: 'Either a session cookie or a service token; both together are refused.' }),
    ],
    {
      error: (issue) =>
        issue.input === undefined
          ? 'is required: write `credential: none` if this route is meant to be public'
          : 'must be none, session, { session: optional }, { service: [issuer, …] } or [session, { service: [issuer, …] }]',
    },
  );

/** `credential`, loaded. */
export type CredentialConfig = z.output<ReturnType<typeof credential>>;

/** Whether requests need no credential. */
export const isPublic = (written: CredentialConfig): boolean => written === 'none';

/** Whether a session is accepted. */
export const takesSession = (written: CredentialConfig): boolean =>
  written === 'session' || Array.isArray(written) || (typeof written === 'object' && 'session' in written);

/** The issuers whose service tokens are accepted. */
export function acceptedIssuers(written: CredentialConfig): readonly string[] {
  if (typeof written === 'string') return [];
  if (Array.isArray(written)) return written[1].service;
  return 'service' in written ? written.service : [];
}
