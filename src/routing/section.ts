/** The entries of `routes`: which requests go where, and what a request must present. */

import { z } from 'zod';
import { credential } from '../authentication/credential.ts';
import {
  headerName,
  headerValue,
  name,
  notEmpty,
  oneOrMany,
  optionalDuration,
  optionalSize,
  principalSource,
  tokenHeaderName,
} from '../config/fields.ts';
import { cors } from '../cors/section.ts';
import { Denial } from '../errors.ts';
import { canonicalHost } from '../sanitize/host.ts';
import { pathPattern } from './path-pattern.ts';

/** Methods that a route can list. `TRACE` and `CONNECT` are never served. */
export const ROUTE_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const hostPattern = () =>
  z
    .string()
    .regex(
      /^(?:\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:]+\])$/,
      { error: 'is not a host: use lower case, no port; "*.example.com" for all below it, "*" for any', abort: true },
    )
    .refine((host) => host === '*' || !(canonicalHost(host.replace(/^\*/, 'a')) instanceof Denial), {
      error: 'would match no request: no Host header with it is accepted',
    })
    // Only an address can have more than one form here.
    .transform((host) => (host.startsWith('[') ? nameOf(host) : host))
    .meta({ kind: 'host pattern' });

function nameOf(host: string): string {
  const canonical = canonicalHost(host);
  return canonical instanceof Denial ? host : canonical.name;
}

/** @param secrecy  request headers may carry a credential for the upstream; response headers go to everybody */
const headerRules = (secrecy: { readonly secret?: true }) =>
  z.strictObject({
    set: z
      .record(headerName(), headerValue().meta(secrecy))
      .optional()
      .meta({ description: 'Headers to set; a present one is replaced.' }),
    remove: z.array(headerName()).min(1).optional().meta({ description: 'Headers to remove.' }),
  });

/**
 * The keys of a route, except for `allow` and `require`, which are authorization's. Made once: they depend on nothing, and are
 * a third of the work of making the whole schema.
 */
export const ROUTE_KEYS = {
  id: name().meta({ description: 'Name of the route: in logs, metrics and `explain`.' }),
  match: z
    .strictObject({
      host: oneOrMany(hostPattern()).optional().meta({
        description:
          'Host or list of hosts: exact, "*.example.com", or "*" for any. Default: the hosts of publicOrigin.',
      }),
      path: oneOrMany(pathPattern()).optional().meta({
        description:
          'Path or list of paths, with everything below them: /api matches /api and /api/x, not /apix. ":name" is one segment, a final "*" one or more.',
      }),
      exactPath: oneOrMany(pathPattern())
        .optional()
        .meta({ description: 'Path or list of paths, without anything below them.' }),
      methods: z
        .array(z.enum(ROUTE_METHODS))
        .min(1)
        .optional()
        .meta({ description: 'Default: all of GET HEAD POST PUT PATCH DELETE OPTIONS. GET includes HEAD.' }),
      otherMethods: z.enum(['refuse', 'nextRoute']).prefault('refuse').meta({
        description:
          'What happens to a request at this path with a method that is not in `methods`: `refuse` answers 405; `nextRoute` leaves it to the next best route, whose rules may be weaker.',
      }),
    })
    .refine((match) => match.path !== undefined || match.exactPath !== undefined, {
      message: 'needs path or exactPath',
    })
    .meta({
      description:
        'Which requests match. The most specific match wins, whatever the order in the file; `sallyport routes` shows it.',
    }),
  credential: credential().meta({
    description: 'What a request must present. Required; `none` makes the route public.',
  }),
  upstream: name().meta({ description: 'One of `upstreams`.' }),
  audience: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: '`aud` of the upstream token. Default: the name of the upstream.' }),
  upstreamToken: z.enum(['minted', 'original', 'none']).prefault('minted').meta({
    description:
      '`minted`: the upstream gets a token of the gateway for the principal (for a service with `presented_iss`, its issuer). `original`: it gets the presented service token unchanged, on routes that accept nothing else. `none`: it gets none.',
  }),
  tokenHeader: tokenHeaderName().optional().meta({
    description: 'Header that carries the upstream token on this route. Default: `upstreamToken.header`.',
  }),
  providerToken: tokenHeaderName().optional().meta({
    description:
      "Header in which the upstream gets the access token of the user's identity provider (`login.oidc`): as a Bearer token in `Authorization`, unchanged in any other header. It is renewed by refresh token before it expires. Users of other logins, and callers without the session cookie, have none. The upstream can do with it whatever the user's consent allows. Copies from clients are removed on every route.",
  }),
  identityHeaders: z.record(headerName(), principalSource()).optional().meta({
    description:
      'Plain headers for services that cannot verify a token: name → source, one of `subject`, `issuer` (whose subject it is; left out where it is the gateway’s own), `actor` (who calls on behalf of the subject), `actor.issuer`, `user.<attribute>`, `session.createdAt`, `session.method` and `token.<claim>`. Headers without a value are left out. Copies from clients are removed on every route, in every spelling.',
  }),
  rewrite: z
    .strictObject({
      stripPrefix: pathPattern()
        .optional()
        .meta({ description: 'Remove these leading segments; each path of the route must begin with them.' }),
      addPrefix: pathPattern().optional().meta({ description: 'Put these segments in front, after stripping.' }),
      path: pathPattern()
        .optional()
        .meta({ description: 'Replace the path; ":name" and a final "*" stand for what the pattern matched.' }),
    })
    .refine((value) => notEmpty(value), { message: 'must not be empty' })
    .refine((value) => value.path === undefined || (value.stripPrefix === undefined && value.addPrefix === undefined), {
      message: 'has path, which replaces the whole path: it cannot be combined with stripPrefix or addPrefix',
    })
    .optional()
    .meta({ description: 'The path that the upstream sees. Default: the path of the request.' }),
  requestHeaders: headerRules({ secret: true }).optional().meta({ description: 'Changes to the request headers.' }),
  responseHeaders: headerRules({}).optional().meta({ description: 'Changes to the response headers.' }),
  timeouts: z
    .strictObject({
      firstByte: optionalDuration({ atLeastMs: 10 }).meta({ description: 'Overrides that of the upstream.' }),
      idle: optionalDuration().meta({
        description: 'Overrides that of the upstream; 0s: none (server-sent events).',
      }),
    })
    .prefault({})
    .meta({ description: 'Overrides the timeouts of the upstream.' }),
  maxBodyBytes: optionalSize().meta({
    description: 'Request bodies above this get 413. Default: no limit; bodies are streamed, never buffered.',
  }),
  webSocket: z.boolean().prefault(true).meta({ description: 'Whether a WebSocket may be opened on this route.' }),
  csrf: z.enum(['origin', 'off']).prefault('origin').meta({
    description:
      '`origin`: requests with an unsafe method and a session must come from a page of a public origin. `off`: only for APIs that no browser calls.',
  }),
  cors: cors().optional().meta({
    description:
      "Pages of other origins that may read answers of this route, the gateway's refusals included. Preflights are answered by the gateway, before authentication, and the upstream's Access-Control-* headers are replaced. Left out: preflights and such headers are the upstream's.",
  }),
  pathExceptions: z
    .array(z.enum(['encodedSlash', 'semicolon']))
    .prefault([])
    .meta({
      description:
        'Characters that this route accepts in paths although upstreams read them in different ways: %2F, or ";". Such a path is matched in every way that an upstream may read it, and the strictest of the routes found applies; if there is none, the request is refused.',
    }),
  passAuthorization: z.boolean().prefault(false).meta({
    description:
      "The client's Authorization header is for the application: the gateway forwards it unread. Only on public routes, and on routes that take sessions but no service tokens; the latter also need `tokenHeader`, because the upstream token cannot be in the same header.",
  }),
  relaySessionCookie: z.boolean().prefault(false).meta({
    description:
      'Whether the upstream is a trusted login backend, whose session cookie reaches the browser. Otherwise it is dropped.',
  }),
  onUnauthenticated: z.enum(['auto', 'redirect', 'challenge']).prefault('auto').meta({
    description:
      '`auto`: page navigations are redirected to the login page, everything else gets 401. `redirect`, `challenge`: always the one or the other.',
  }),
  login: z.string().min(1).optional().meta({
    description:
      'Name of the identity provider (`login.oidc`) to which people who must log in are sent at once. It does not restrict who may use the route: use `allow`. Default: they choose on the login page.',
  }),
};

/** A route, loaded, as far as routing is concerned. */
export type RouteConfig = z.output<z.ZodObject<typeof ROUTE_KEYS>>;
