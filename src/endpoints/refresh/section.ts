/**
 * The section `refresh`: rotating refresh tokens for native apps, single-page apps and the command line, and the access tokens that they
 * are exchanged for (docs/how-to/refresh-tokens.md).
 */

import { z } from 'zod';
import { count, duration, slowing, tokenLifetime } from '../../config/fields.ts';
import type { MintedToken } from '../../lib/token-limits.ts';
import { claimMapping } from '../../token/section.ts';
import { scope } from '../token/section.ts';

const accessToken = () =>
  z.strictObject({
    lifetime: tokenLifetime('5m').meta({
      description: '`exp` − `iat`; never beyond the absolute end of the session.',
    }),
    audience: z.string().min(1).max(200).optional().meta({
      description: '`aud` of the token. Default: the first publicOrigin, which is this gateway.',
    }),
    clientId: z
      .string()
      .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters')
      .prefault('first-party')
      .meta({ description: '`client_id` (RFC 9068 §2.2): all apps that log in here are one client.' }),
    scopes: z.array(scope()).prefault([]).meta({ description: 'Scopes of the token. A refresh may ask for fewer.' }),
    claims: claimMapping(),
  });

const commandLine = () =>
  z.strictObject({
    deviceGrant: z.boolean().prefault(false).meta({
      description:
        'Whether a terminal without a browser can log in by a code that its user types on another device (RFC 8628): `sallyport login --device`. Off by default, because an attacker can talk a user into typing a code that the attacker requested.',
    }),
  });

/** The section. */
export const refresh = () =>
  z.strictObject({
    clients: z
      .array(z.enum(['browser', 'native']))
      .min(1)
      .prefault(['browser'])
      .meta({
        description:
          'Who can get refresh tokens: `browser` in an HttpOnly cookie beside the session cookie, `native` in the body without cookies.',
      }),
    everyLogin: z.boolean().prefault(false).meta({
      description:
        'Whether every login in a browser gets the refresh cookie. Otherwise only logins that ask for it with `refresh: browser`; the form of the login page does not. Origins that share a login (`login.origin`) each get one of their own.',
    }),
    cookieName: z
      .string()
      .regex(/^__Secure-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,54}$/, 'is not a cookie name that begins with __Secure-')
      .prefault('__Secure-refresh')
      .meta({
        description:
          'Name of the refresh cookie. Always Secure, HttpOnly, SameSite=Strict, Path={basePath}/refresh and without Domain.',
      }),
    grace: duration('10s', { atLeastMs: 1_000, atMostMs: 60_000 }).meta({
      description:
        'For this long, a replaced refresh token gets the same successor again, so that a lost response or a second tab does not count as theft. A token is also not replaced more often than this.',
    }),
    throttle: z
      .strictObject({
        freeAttemptsPerAddress: count(1_000).meta({
          description:
            'Unknown tokens from one address (IPv6: its /64) before it is throttled. High, because everyone in an office whose session has ended presents one.',
        }),
        ...slowing({ maxDelay: '1s', window: '1m' }),
      })
      .prefault({})
      .meta({
        description:
          'How requests with unknown refresh tokens are throttled, counted in the store. It limits floods; tokens cannot be guessed anyway. Valid tokens from the same address are never throttled.',
      }),
    accessToken: accessToken().prefault({}).meta({ description: 'The access token that a refresh returns.' }),
    commandLine: commandLine().optional().meta({
      description:
        'Lets users log in at a terminal with `sallyport login`: they approve it in a browser, where they log in as usual. The terminal gets its own session, which ends no later than that of the browser. Left out: no such logins.',
    }),
  });

/** `refresh`, loaded. */
export type RefreshConfig = z.output<ReturnType<typeof refresh>>;

/** The tokens that the section lets the gateway mint. */
export const minted = ({ accessToken: { lifetime } }: RefreshConfig): readonly MintedToken[] => [
  { lifetimeMs: lifetime, isOfSession: true },
];
