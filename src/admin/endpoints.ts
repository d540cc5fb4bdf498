/** The endpoints of the admin listener, one row each. */

import { Denial } from '../errors.ts';
import { isSessionHandle } from '../jwt/names.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import { MEDIA_TYPES, textFormatFor } from '../telemetry/text-format.ts';
import type { ComponentHealth, GatewayStatus } from './control.ts';
import type { AdminAnswer, AdminParts, AdminRequest } from './request.ts';
import { parseTokenRevocation } from './token-revocation.ts';

/** One endpoint of the admin listener. */
export interface AdminEndpoint {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Exact; with `takesSegment`, the prefix before the segment. */
  readonly path: string;
  readonly takesSegment?: true;
  /** One sentence for the reference page. */
  readonly summary: string;
  /** The only query parameter that it accepts. */
  readonly parameter?: {
    readonly name: string;
    readonly isOptional: boolean;
    /** Its only value; left out: any. */
    readonly only?: string;
  };
  /** The query parameters of a form: each at most once, all optional. */
  readonly form?: readonly string[];
  /** Whether it expects a body of JSON. */
  readonly takesBody?: true;
  /**
   * `token`: only for callers with the admin token, and for no web page. `page`: the same, for people: a browser presents the
   * token as a password, and follows links from other sites. `host`: for all callers except a page that may
   * have rebound its name. `none`: probes, which are answered under any name, and public data.
   */
  readonly guard: 'none' | 'host' | 'token' | 'page';
  readonly answer: (request: AdminRequest, parts: AdminParts) => Promise<AdminAnswer | Denial> | AdminAnswer | Denial;
}

const json = (status: number, value: unknown): AdminAnswer => ({
  status,
  mediaType: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

const alive = (): AdminAnswer => ({ status: 200, mediaType: 'text/plain; charset=utf-8', body: 'alive\n' });

/** Every endpoint. Several with the same path differ in method. */
export const ENDPOINTS: readonly AdminEndpoint[] = [
  // Ignores Redis and everything else outside the process, which a restart would not fix.
  {
    method: 'GET',
    path: '/livez',
    summary: 'Whether the process answers. Asks nothing else.',
    guard: 'none',
    answer: alive,
  },
  { method: 'GET', path: '/healthz', summary: 'The same as `/livez`.', guard: 'none', answer: alive },
  {
    method: 'GET',
    path: '/readyz',
    summary: 'Whether this replica is ready, with one line for each component; 503 when it is not.',
    parameter: { name: 'include', isOptional: true, only: 'upstream' },
    guard: 'none',
    answer: async ({ query }, { control }) => {
      const { components } = await control.health(query.has('include'));
      return healthDocument('ready', components);
    },
  },
  {
    method: 'GET',
    path: '/startupz',
    summary: 'Whether it has begun to listen; 503 until then.',
    guard: 'none',
    answer: async (_request, { control }) => {
      const { isStarted } = await control.health(false);
      return healthDocument('started', [
        { name: 'gateway', isOk: isStarted, isRequired: true, detail: isStarted ? 'started' : 'starting' },
      ]);
    },
  },
  {
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format; as OpenMetrics for clients that ask for it.',
    guard: 'host',
    answer: ({ accept }, { control }) => {
      const format = textFormatFor(accept);
      return { status: 200, mediaType: MEDIA_TYPES[format], body: control.metrics(format) };
    },
  },
  {
    method: 'GET',
    path: '/.well-known/jwks.json',
    summary: "The public keys of the gateway's tokens.",
    guard: 'none',
    answer: async (_request, { control }) => json(200, await control.jwks()),
  },
  {
    method: 'POST',
    path: '/-/reload',
    summary: 'Reads the configuration again; 422 with every problem when it is rejected.',
    guard: 'token',
    answer: async (_request, { reloader }) => {
      const report = await reloader.reload();
      return json(report.result === 'applied' ? 200 : 422, report);
    },
  },
  {
    method: 'GET',
    path: '/-/config',
    summary: 'The configuration in use, without secrets, with its hash.',
    guard: 'token',
    answer: (_request, { reloader }) => json(200, reloader.report()),
  },
  {
    method: 'GET',
    path: '/api/status',
    summary: 'What the processes report about themselves, reloads, and why recent requests were refused or failed.',
    guard: 'token',
    answer: async (_request, parts) => json(200, await gatewayStatus(parts)),
  },
  {
    method: 'GET',
    path: '/api/recent-requests',
    summary: 'The last requests that the processes remember, 500 at most, the newest first.',
    guard: 'token',
    answer: async (_request, { control }) => json(200, { requests: await control.recentRequests(MOST_REQUESTS) }),
  },
  {
    method: 'GET',
    path: '/api/requests',
    summary: 'What happened to a recent request; `null` when no process remembers it.',
    parameter: { name: 'id', isOptional: false },
    guard: 'token',
    answer: async ({ query }, { control }) => json(200, { request: await control.requestOf(query.get('id') ?? '') }),
  },
  {
    method: 'GET',
    path: '/api/sessions',
    summary: 'Lists the sessions of a subject, without their ids.',
    parameter: { name: 'subject', isOptional: false },
    guard: 'token',
    answer: async ({ query }, { control }) =>
      json(200, { sessions: await control.sessionsOf(query.get('subject') ?? '') }),
  },
  {
    method: 'DELETE',
    path: '/api/sessions',
    summary: 'Revokes every session of a subject.',
    parameter: { name: 'subject', isOptional: false },
    guard: 'token',
    answer: async ({ id, client, query }, { control }) => {
      const handles = await control.revokeSessionsOf(query.get('subject') ?? '', { requestId: id, client });
      return json(200, { revoked: handles });
    },
  },
  {
    method: 'DELETE',
    path: '/api/sessions/',
    summary: 'Revokes the session with this handle.',
    takesSegment: true,
    guard: 'token',
    // Revokes in the store even when it has no such session, so that a lost session ends in every cache.
    answer: async ({ id, client, segment }, { control }) => {
      if (!isSessionHandle(segment)) return json(200, { revoked: [] });
      const session = await control.revokeSession(segment, { requestId: id, client });
      return json(200, { revoked: session === null ? [] : [session.handle] });
    },
  },
  {
    method: 'POST',
    path: '/api/token-revocations',
    summary: 'Revokes a token, the tokens of a session, or those of a subject.',
    takesBody: true,
    guard: 'token',
    answer: async ({ id, client, body }, { control }) => {
      const request = parseTokenRevocation(body);
      if (request instanceof Denial) return request;
      return json(200, await control.revokeTokens(request, { requestId: id, client }));
    },
  },
];

/** Long enough to see what happens, short enough to be built at once. */
const MOST_REQUESTS = 500;

async function gatewayStatus({ control, reloader, build, clocks }: AdminParts): Promise<GatewayStatus> {
  const [{ components }, processes, reasons] = await Promise.all([
    control.health(false),
    control.status(),
    control.recentReasons(),
  ]);
  const { config: _, ...configuration } = reloader.report();
  return {
    at: toTimestamp(clocks.wallMs()),
    ...build,
    node: process.version,
    configuration,
    ...reloader.history(),
    components,
    processes,
    reasons,
  };
}

/** One line per component, for people who read it with curl. */
function healthDocument(what: 'ready' | 'started', components: readonly ComponentHealth[]): AdminAnswer {
  const isOk = components.every((component) => component.isOk || !component.isRequired);
  const lines = components.map(
    ({ name, isOk: ok, isRequired: required, detail }) => `    ${JSON.stringify({ name, ok, required, detail })}`,
  );
  return {
    status: isOk ? 200 : 503,
    mediaType: 'application/json',
    body: `{\n  "${what}": ${isOk},\n  "components": [\n${lines.join(',\n')}\n  ]\n}\n`,
  };
}
