/** The section `login`: how sessions are opened. */

import { z } from 'zod';
import { serviceCredential } from '../../authentication/client/section.ts';
import { count, duration, filePath, name, origin, type SchemaContext, slowing } from '../../config/fields.ts';
import { text } from '../../pages/section.ts';
import { checkProvider } from './oidc/check.ts';
import { identityProvider } from './oidc/section.ts';

const password = (context: SchemaContext) =>
  z.strictObject({
    usersFile: filePath(context, 'create it with `sallyport users add NAME`').meta({
      description: 'YAML file of users, written by `sallyport users add`.',
      secretFile: 'users',
    }),
    hashConcurrency: count(1, { atMost: 16 }).meta({
      description: 'Password hashes computed at the same time, each on its own thread at lowest priority, with 64 MiB.',
      restart: true,
    }),
    maxQueue: count(64).meta({ description: 'Logins that may wait for a hash; further ones get 503.' }),
  });

const throttle = () =>
  z.strictObject({
    freeAttemptsPerAccount: count(5).meta({
      description:
        'Failed attempts for one account from one address (IPv6: its /48), or from one known device, before more are throttled.',
    }),
    freeAttemptsFromAnywhere: count(100).meta({
      description:
        'Failed attempts for one account from all addresses together, in each `window`, before more are throttled, except on known devices.',
    }),
    freeAttemptsPerAddress: count(20).meta({
      description:
        'Failed attempts from one address (IPv6: its /64; ten times as many from its /48) before more are throttled.',
    }),
    startsPerAddress: count(3_000).meta({
      description:
        'Logins at identity providers, and logins handed over between origins, that may begin from one address (IPv6: its /64; four times as many from its /48) in ten minutes, or at once. Each process counts for itself. Further ones get 429.',
    }),
    knownDeviceFor: duration('90d').meta({
      description:
        'A browser counts as a known device of an account for this long after a login, so that attackers who guess passwords cannot lock the user out on it. Uses the cookie `__Host-known-device`. 0s: no known devices.',
    }),
    ...slowing(),
  });

/** The section. */
export const login = (context: SchemaContext) =>
  z.strictObject({
    password: password(context).optional().meta({ description: 'A login form with user name and password.' }),
    oidc: z.array(identityProvider(context).superRefine(checkProvider)).prefault([]).meta({
      description:
        'Identity providers that people log in with: OpenID Connect, or OAuth 2.0. With one of them and no password form, people are sent there at once; with more, the login page offers each. A link with `?provider=` chooses one.',
    }),
    origin: origin().optional().meta({
      description:
        'The one of several `publicOrigin`s where people log in. The others redirect people to it, and get the login back with a single-use code; each keeps its own session cookie, and a logout on one ends the session on all. Left out: each origin has its own logins.',
    }),
    throttle: throttle().prefault({}).meta({
      description:
        'How failed attempts at passwords and at secrets of trusted backends are throttled. Counted in the store, for all replicas together.',
    }),
    trustedBackends: z
      .array(
        z
          .strictObject({
            id: name().meta({
              description: 'Name of the backend; with clientSecretFile, its user name in HTTP Basic.',
            }),
            clientSecretFile: filePath(context).optional().meta({
              description: 'File with a secret of at least 32 characters, presented as HTTP Basic.',
              secretFile: 'client secret',
            }),
            service: serviceCredential('Exact `sub` values that may open sessions.').meta({
              description: 'A service token instead of a secret.',
            }),
          })
          .refine((backend) => (backend.clientSecretFile === undefined) !== (backend.service === undefined), {
            message: 'needs exactly one of clientSecretFile and service',
          }),
      )
      .prefault([])
      .meta({
        description:
          'Backends that may open a session with POST /auth/sessions for a user whom they have authenticated.',
      }),
    page: z
      .string()
      .regex(/^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/, 'must be a path on the public origin, such as /welcome')
      .optional()
      .meta({
        description:
          'Path of your own login page, such as one of a trusted backend behind a public route. Users who must log in are sent there with `return_to`. Default: the page of the gateway.',
      }),
    title: text(80).optional().meta({
      description:
        'Heading of the login page: text, or texts by language, such as { en: Welcome, de: Willkommen }. Default: "Log in", in the language of its reader.',
    }),
  });

/** `login`, loaded. */
export type LoginConfig = z.output<ReturnType<typeof login>>;

/** The keys each of which is a way to open a session. */
const LOGIN_WAYS = ['password', 'oidc', 'trustedBackends'] as const satisfies readonly (keyof LoginConfig)[];

/** Whether a login has a way to open a session. */
export const hasWayIn = (login: LoginConfig): boolean =>
  LOGIN_WAYS.some((way) => (Array.isArray(login[way]) ? login[way].length > 0 : login[way] !== undefined));

/** What to do where it has none. */
export const ADD_WAY_IN: string = `set one of ${LOGIN_WAYS.map((way) => `login.${way}`).join(', ')}`;
