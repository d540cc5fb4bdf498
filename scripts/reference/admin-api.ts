/** `docs/reference/admin-api.openapi.yaml`: the endpoints of the admin listener as an OpenAPI 3.1 document. */

import { stringify } from 'yaml';
import { z } from 'zod';
import { type AdminEndpoint, ENDPOINTS } from '../../src/admin/endpoints.ts';
import { TOKEN_REVOCATION_BODY } from '../../src/admin/token-revocation.ts';
import { PROBLEM_MEDIA_TYPE, REASONS, type Reason } from '../../src/errors.ts';
import { MEDIA_TYPES } from '../../src/telemetry/text-format.ts';
import { ANSWERS, type AnswerName } from './admin-api-schemas.ts';

interface Description {
  readonly id: string;
  /** Status → what it means, and the schema of its JSON; `null`: text. */
  readonly answers: Readonly<Record<number, readonly [meaning: string, name: AnswerName | null]>>;
  /** Of text, one for each format; `text/plain; charset=utf-8` where it is left out. */
  readonly mediaTypes?: readonly string[];
  /** Refusals that the row of the table does not imply. */
  readonly refusals?: readonly Reason[];
}

const ALIVE = { 200: ['It answers.', null] } as const;

/** What the table does not say, by method and path. */
const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  'GET /livez': { id: 'getLiveness', answers: ALIVE },
  'GET /healthz': { id: 'getHealth', answers: ALIVE },
  'GET /readyz': {
    id: 'getReadiness',
    answers: {
      200: ['Every required component works.', 'Readiness'],
      503: ['A required component does not work.', 'Readiness'],
    },
  },
  'GET /startupz': {
    id: 'getStartup',
    answers: { 200: ['It has begun to listen.', 'Startup'], 503: ['It has not begun to listen.', 'Startup'] },
  },
  'GET /metrics': {
    id: 'getMetrics',
    answers: { 200: ['The metrics of all workers.', null] },
    mediaTypes: Object.values(MEDIA_TYPES),
  },
  'GET /.well-known/jwks.json': { id: 'getKeys', answers: { 200: ['A JWK Set (RFC 7517).', 'KeySet'] } },
  'POST /-/reload': {
    id: 'reload',
    answers: {
      200: ['The configuration was applied.', 'Reload'],
      422: ['At least one process kept its previous configuration; `problems` says why.', 'Reload'],
    },
  },
  'GET /-/config': { id: 'getConfiguration', answers: { 200: ['The configuration in use.', 'Configuration'] } },
  'GET /api/status': { id: 'getStatus', answers: { 200: ['The gateway, its processes and its reloads.', 'Status'] } },
  'GET /api/recent-requests': {
    id: 'listRecentRequests',
    answers: { 200: ['The requests, the newest first.', 'RecentRequests'] },
  },
  'GET /api/requests': { id: 'getRequest', answers: { 200: ['What happened to the request.', 'RecentRequest'] } },
  'GET /api/sessions': {
    id: 'listSessions',
    answers: { 200: ['The sessions; none for a subject that nobody knows.', 'Sessions'] },
    refusals: ['store_unavailable'],
  },
  'DELETE /api/sessions': {
    id: 'revokeSessions',
    answers: { 200: ['The handles of the sessions that ended.', 'RevokedSessions'] },
    refusals: ['store_unavailable'],
  },
  'DELETE /api/sessions/{handle}': {
    id: 'revokeSession',
    answers: { 200: ['The handle of the session that ended; empty when there was none.', 'RevokedSessions'] },
    refusals: ['store_unavailable'],
  },
  'POST /api/token-revocations': {
    id: 'revokeTokens',
    answers: { 200: ['Every verifier refuses the tokens from now on.', 'TokenRevocationReport'] },
    refusals: ['store_unavailable'],
  },
};

/** The path of an endpoint as OpenAPI writes it. */
const pathOf = ({ path, takesSegment }: AdminEndpoint): string => (takesSegment === true ? `${path}{handle}` : path);

/** Writes the document. */
export function adminApiDocument(): string {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const row of ENDPOINTS) {
    const path = pathOf(row);
    paths[path] = { ...paths[path], [row.method.toLowerCase()]: operation(row) };
  }
  const document = {
    openapi: '3.1.1',
    info: {
      title: 'Sallyport admin API',
      version: '1',
      license: LICENSE,
      description:
        'The endpoints of `listeners.admin`. HEAD is answered wherever GET is. A path with a query that it does not take is another path, and answered with 404. Clients must accept members of answers that are not in this document: later versions may add some.',
    },
    servers: [
      {
        url: 'http://{address}',
        variables: { address: { default: '127.0.0.1:9090', description: '`listeners.admin.address`.' } },
      },
    ],
    paths,
    components: {
      securitySchemes: {
        adminToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'The token in `listeners.admin.tokenFile`. A request with an `Origin` header is refused.',
        },
      },
      schemas: {
        ...Object.fromEntries(Object.entries(ANSWERS).map(([name, schema]) => [name, jsonSchema(schema)])),
        TokenRevocation: jsonSchema(TOKEN_REVOCATION_BODY),
      },
    },
  };
  const mark = '# Generated from src/admin/endpoints.ts and scripts/reference/admin-api.ts by `npm run generate`.\n';
  return mark + stringify(document, { aliasDuplicateObjects: false, lineWidth: 120 });
}

const LICENSE = { name: 'Apache-2.0', identifier: 'Apache-2.0' };

/** Input, because in the output of Zod no member may be added later. */
function jsonSchema(schema: z.ZodType): object {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    override: ({ jsonSchema: part }) => {
      // The format says it all.
      if (part.format === 'date-time') Reflect.deleteProperty(part, 'pattern');
    },
  });
  return json;
}

const schemaNamed = (name: AnswerName | 'TokenRevocation') => ({ $ref: `#/components/schemas/${name}` });

function operation(row: AdminEndpoint): object {
  const key = `${row.method} ${pathOf(row)}`;
  const description = DESCRIPTIONS[key];
  if (description === undefined) throw new Error(`${key} has no description in scripts/reference/admin-api.ts`);
  const { id, answers, mediaTypes = ['text/plain; charset=utf-8'] } = description;
  const own = Object.entries(answers).map(([status, [meaning, name]]) => {
    const content =
      name === null
        ? Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, { schema: { type: 'string' } }]))
        : { 'application/json': { schema: schemaNamed(name) } };
    return [status, { description: meaning, content }] as const;
  });
  const body = { required: true, content: { 'application/json': { schema: schemaNamed('TokenRevocation') } } };
  const parameters = parametersOf(row);
  return {
    operationId: id,
    summary: row.summary,
    security: row.guard === 'token' ? [{ adminToken: [] }] : [],
    ...(parameters.length > 0 && { parameters }),
    ...(row.takesBody === true && { requestBody: body }),
    responses: {
      ...Object.fromEntries(own),
      ...problems([...refusalsOf(row), ...(description.refusals ?? [])]),
      default: problem('Any other refusal or fault.'),
    },
  };
}

function parametersOf({ parameter, takesSegment }: AdminEndpoint): object[] {
  const handle = {
    name: 'handle',
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,128}$' },
  };
  const path = takesSegment === true ? [handle] : [];
  if (parameter === undefined) return path;
  const { name, isOptional, only } = parameter;
  const schema = only === undefined ? { type: 'string', minLength: 1 } : { type: 'string', const: only };
  return [...path, { name, in: 'query', required: !isOptional, schema }];
}

/** The refusals that the columns of the table lead to. */
function refusalsOf({ guard, parameter, takesBody }: AdminEndpoint): Reason[] {
  return [
    ...(guard === 'none' ? [] : (['host_not_served'] as const)),
    ...(guard === 'token' ? (['client_unauthorized', 'origin_forbidden', 'admin_disabled'] as const) : []),
    parameter?.isOptional === false ? 'query_malformed' : 'route_not_found',
    ...(takesBody === true ? (['body_malformed', 'body_too_large', 'media_type_unsupported'] as const) : []),
  ];
}

function problems(reasons: readonly Reason[]): object {
  const byStatus = Map.groupBy(reasons, (reason) => REASONS[reason].status);
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      status,
      problem(those.map((reason) => `\`${reason}\`: ${REASONS[reason].title}`).join('; ')),
    ]),
  );
}

const problem = (description: string) => ({
  description,
  content: { [PROBLEM_MEDIA_TYPE]: { schema: schemaNamed('Problem') } },
});
