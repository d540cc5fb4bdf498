/** The section `session`: sessions, their cookie, and how far the copies in memory are trusted. */

import { z } from 'zod';
import { count, domainName, duration } from '../../config/fields.ts';
import { defineCodes, error, warning } from '../../config/findings/problem.ts';

/** Codes of the findings about sessions and their cookie. */
export const codes = defineCodes({
  'cookie/prefix': error(
    'The cookie name must begin with `__Host-` or `__Host-Http-`: only then do browsers keep sibling domains and plain http from setting it. Browsers refuse these prefixes together with `session.cookie.domain`: then it must begin with `__Secure-` or `__Http-`.',
  ),
  'cookie/domain': warning(
    'One session cookie for a domain: it has no `__Host-` prefix, so every host below the domain receives it, and can replace it to log people in as another user, or to log them out.',
  ),
  'cookie/domain-origin': error(
    'A public origin that is not below `session.cookie.domain`: browsers would reject the session cookie there.',
  ),
  'cookie/domain-and-login-origin': error(
    '`session.cookie.domain` and `login.origin` exclude each other: one cookie for all origins, or one for each.',
  ),
  'cookie/same-site-none': error(
    '`sameSite: none` without `csrf.additionalOrigins`, or together with a session route whose `csrf` is `off`: then any page could use the session.',
  ),
  'session/timeouts': error('The idle timeout is longer than the absolute one, so it would never apply.'),
});

const cookie = () =>
  z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'is not a cookie name')
        .prefault('__Host-sid')
        .meta({
          description:
            'Name of the cookie. Must begin with __Host- or __Host-Http-; with `domain`, with __Secure- or __Http-.',
        }),
      sameSite: z.enum(['strict', 'lax', 'none']).prefault('lax').meta({ description: 'SameSite attribute.' }),
      domain: domainName().optional().meta({
        description:
          'One cookie for this domain and every host below it, instead of one for each origin. Every such host receives it and can replace it, even one that you do not run: prefer `login.origin`.',
      }),
    })
    .superRefine(({ name, domain }, { addIssue }) => {
      const problem = (message: string, hint: string) =>
        addIssue({ code: 'custom', message, path: ['name'], params: { code: codes['cookie/prefix'], hint } });
      if (domain === undefined && !/^__Host-(?:Http-)?./.test(name))
        problem('must begin with __Host- or __Host-Http-', 'such as __Host-sid');
      if (domain !== undefined && !/^__(?:Secure|Http)-./.test(name))
        problem('must begin with __Secure- or __Http-, because the cookie has a domain', 'write name: __Secure-sid');
    });

const remember = () =>
  z
    .strictObject({
      idleTimeout: duration('7d', { atLeastMs: 1_000 }).meta({ description: '`idleTimeout` of these sessions.' }),
      absoluteTimeout: duration('30d', { atLeastMs: 1_000 }).meta({
        description: '`absoluteTimeout` of these sessions.',
      }),
      always: z.boolean().prefault(false).meta({
        description: 'Applies it to every login; then no page offers the choice.',
      }),
    })
    .optional()
    .meta({
      description:
        'Lets users stay logged in after closing the browser: a checkbox on the login form, a link beside identity providers, `remember=1` in the address of the login page, and `remember` in JSON logins and those of trusted backends. `{}` takes the defaults. Left out: not offered.',
    });

/** The section. */
export const session = () =>
  z.strictObject({
    cookie: cookie().prefault({}).meta({
      description: 'The session cookie. Always Secure, HttpOnly and Path=/; without Domain, unless `domain` is set.',
    }),
    idleTimeout: duration('30m', { atLeastMs: 1_000 }).meta({
      description:
        'A session ends after this long without use. Use is a request, a download or upload that moves, and data that a client sends on a WebSocket; what a server pushes (server-sent events, WebSocket messages) is not, nor are pongs.',
    }),
    absoluteTimeout: duration('12h', { atLeastMs: 1_000 }).meta({
      description: 'A session ends this long after login, even if it is in use.',
    }),
    remember: remember(),
    maxPerUser: count(50).meta({ description: 'Open sessions per user; a further login ends the oldest one.' }),
    maxRequests: count(256).meta({
      description: 'Requests in progress per session and process, without open WebSockets; further ones get 429.',
    }),
    cache: z
      .strictObject({
        maxEntries: count(20_000).meta({ description: 'Sessions kept in process.', restart: true }),
        recheckAfter: duration('1s', { atMostMs: 300_000 }).meta({
          description:
            'A cached session is read from the store again after this. It bounds how long a session survives its manual deletion in Redis; revocations by a gateway arrive at once, by the feed.',
        }),
        feedTimeout: duration('1s', { atLeastMs: 100, atMostMs: 10_000 }).meta({
          description:
            'After this long without a message, the revocation feed counts as interrupted, and every request reads the store.',
        }),
        outageGrace: duration('30s', { atMostMs: 3_600_000 }).meta({
          description: 'While the store does not answer, sessions verified this recently are still served. 0s: none.',
        }),
      })
      .prefault({})
      .meta({ description: 'Sessions cached in process memory, and how long they are trusted.' }),
  });

/** `session`, loaded. */
export type SessionConfig = z.output<ReturnType<typeof session>>;
