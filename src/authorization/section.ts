/** Who may: the keys `allow` and `require` of a route, and the section `csrf`. */

import { z } from 'zod';
import { name, notEmpty, optionalDuration, origin } from '../config/fields.ts';

/** Longest `sub` that any token can have here. */
const MAX_SUBJECT_LENGTH = 2_048;

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

const subject = () => z.string().min(1).max(MAX_SUBJECT_LENGTH);

const subjectIssuer = () =>
  name().optional().meta({
    description:
      'One of `issuers`, whose subject it is. Default: for a user this gateway, for a service the only issuer that the route accepts.',
  });

/** An entry of `subjects`. A plain name says nothing about what it names: the credential of the route does. */
const subjectEntry = () =>
  z
    .union([
      subject(),
      z.strictObject({ user: subject().meta({ description: 'A user.' }), issuer: subjectIssuer() }),
      z.strictObject({ service: subject().meta({ description: 'A service.' }), issuer: subjectIssuer() }),
    ])
    .meta({
      description:
        'A name, which is that of a user where the route accepts sessions, else of a service; `{ user: name }`; or `{ service: name }`.',
    });

const allowLeafShape = () => ({
  roles: anyOrAll('Roles of the principal').optional(),
  scopes: anyOrAll('Scopes of the presented token').optional(),
  subjects: z.array(subjectEntry()).min(1).optional().meta({
    description:
      'Exact subjects, of which one is enough. A user never matches a service of the same name, nor the reverse.',
  }),
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

/** A value that goes into a parameter with others, separated by spaces (RFC 6749 §3.3). */
const contextValue = () =>
  z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/, 'is not a value of acr or amr: no spaces, quotes or backslashes');

const contextList = () => z.array(contextValue()).min(1);

/** `require` of a route. */
export const requirement = () =>
  z
    .strictObject({
      acr: contextList().optional().meta({
        description:
          'Authentication context classes, of which one is enough, the preferred one first. Requested as `acr_values`.',
      }),
      amr: z
        .union([contextList(), z.strictObject({ any: contextList() }), z.strictObject({ all: contextList() })])
        .optional()
        .meta({
          description:
            'Authentication methods (RFC 8176): a list of which one is enough, { any: […] } for the same, or { all: […] }. They cannot be requested from a provider. A login with a password at the gateway is `pwd`.',
        }),
      maxAge: optionalDuration({ atLeastMs: 30_000, atMostMs: 366 * 86_400_000 }).meta({
        description: 'How long ago the user may have authenticated (`auth_time`). Requested as `max_age`.',
      }),
    })
    .refine(notEmpty, { message: 'must not be empty: leave `require` out to require nothing' });

/** The section `csrf`. */
export const csrf = () =>
  z.strictObject({
    allowMissingOrigin: z.boolean().prefault(false).meta({
      description:
        'Accept unsafe requests with a session but without Origin and Sec-Fetch-Site, which come from programs, not browsers.',
    }),
    additionalOrigins: z.array(origin()).prefault([]).meta({
      description:
        "Other origins whose pages may send unsafe requests, to the gateway's own endpoints as well. Only the consent to a login from a terminal has to come from the gateway's own page.",
    }),
  });

/** `allow`, loaded. */
export type AllowConfig = z.output<ReturnType<typeof allow>>;
/** `require`, loaded. */
export type Requirement = z.output<ReturnType<typeof requirement>>;
/** `csrf`, loaded. */
export type CsrfConfig = z.output<ReturnType<typeof csrf>>;
