/** How a client says who it is: the keys that a client of the token endpoint has for it. */

import { z } from 'zod';
import { filePath, name, type SchemaContext } from '../../config/fields.ts';
import { PUBLIC_KEY_ALGORITHMS } from '../../jwt/verification-keys.ts';

/** The keys. Each client has one of `clientSecretFile`, `jwksFile` and `service` at least. */
export const clientCredentials = (context: SchemaContext) => ({
  clientSecretFile: filePath(context).optional().meta({
    description: 'File with a secret of at least 32 characters, presented as HTTP Basic (`client_secret_basic`).',
    secretFile: 'client secret',
  }),
  jwksFile: filePath(context).optional().meta({
    description: 'File with its public keys, a JWK Set, for signed assertions (`private_key_jwt`, RFC 7523).',
  }),
  algorithms: z.array(z.enum(PUBLIC_KEY_ALGORITHMS)).min(1).prefault(['ES256']).meta({
    description: 'Accepted signature algorithms of its assertions.',
  }),
  service: serviceCredential('Exact `sub` values that identify this client.').meta({
    description: 'It authenticates with a service token, as a Bearer token or a client assertion.',
  }),
});

/** The key `service`: a service token is the credential. */
export const serviceCredential = (subjects: string) =>
  z
    .strictObject({
      issuer: name().meta({ description: 'One of `issuers`.' }),
      subjects: z.array(z.string().min(1)).min(1).meta({ description: subjects }),
    })
    .optional();

/** The credentials of one client, loaded. */
export type ClientCredentialsConfig = z.output<z.ZodObject<ReturnType<typeof clientCredentials>>>;
