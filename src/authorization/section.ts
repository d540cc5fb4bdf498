/** Who may: the key `allow` of a route, and the section `csrf`. */

import { z } from 'zod';
import { notEmpty, origin } from '../config/fields.ts';

const anyOrAll = (what: string) =>
  z
    .union([
      z.array(z.string().min(1)).min(1),
      z.strictObject({ any: z.array(z.string().min(1)).min(1) }),
      z.strictObject({ all: z.array(z.string().min(1)).min(1) }),
    ])
    .meta({ description: `${what}: a list of which one is enough, { any: […] } for the same, or { all: […] }.` });

const serviceAccountPattern = () =>
  z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/(?:\*|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/,
      'is not a ServiceAccount: write namespace/name or namespace/*',
    )
    .meta({ kind: 'ServiceAccount' });

const allowLeafShape = () => ({
  roles: anyOrAll('Roles of the principal').optional(),
  scopes: anyOrAll('Scopes of the presented token').optional(),
  subjects: z.array(z.string().min(1)).min(1).optional().meta({ description: 'Exact subjects.' }),
  serviceAccounts: z.array(serviceAccountPattern()).min(1).optional().meta({
    description: 'Kubernetes ServiceAccounts, as namespace/name, or namespace/* for all of a namespace.',
  }),
  claims: z
    .record(
      z.string().min(1),
      z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()])).min(1)]),
    )
    .optional()
    .meta({
      description:
        'Attribute or claim → the value it must have (or contain), or a list of values of which one is enough.',
    }),
});

const allowLeaf = () =>
  z
    .strictObject(allowLeafShape())
    .refine(notEmpty, { message: 'must not be empty: it would allow nobody or everybody' });
/** `allow` of a route. */
export const allow = () =>
  z
    .strictObject({
      ...allowLeafShape(),
      any: z.array(allowLeaf()).min(1).optional().meta({ description: 'One of these rules is enough.' }),
      all: z.array(allowLeaf()).min(1).optional().meta({ description: 'All of these rules must hold.' }),
    })
    .refine(notEmpty, {
      message: 'must not be empty: leave `allow` out to allow every principal that the credential admits',
    });

/** The section `csrf`. */
export const csrf = () =>
  z.strictObject({
    allowMissingOrigin: z.boolean().prefault(false).meta({
      description:
        'Accept unsafe requests with a session but without Origin and Sec-Fetch-Site, which come from programs, not browsers.',
    }),
    additionalOrigins: z
      .array(origin())
      .prefault([])
      .meta({ description: 'Other origins whose pages may send unsafe requests.' }),
  });

/** `allow`, loaded. */
export type AllowConfig = z.output<ReturnType<typeof allow>>;
/** `csrf`, loaded. */
export type CsrfConfig = z.output<ReturnType<typeof csrf>>;
