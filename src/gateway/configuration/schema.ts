/**
 * configuration: what the parts say about a configuration, put together: schema, rules, files, former names.
 *
 * This file is the configuration as one whole, composed of the sections of the parts: types, validation, JSON Schema
 * (`config/sallyport.schema.json`) and the reference page (`docs/reference/configuration.md`) all come from this schema.
 *
 * Inputs: a plain object read from YAML. Outputs: a `Config`, with every default filled in, or zod issues. Nothing here
 * opens a file or a connection: whether a named file exists is asked through `SchemaContext`.
 *
 * Metadata: `description` on every key; `restart: true` where a reload cannot apply a change; `secret: true` where the
 * value may hold a secret; `secretFile` where it names a file with one, saying what the secret is for.
 */

import { z } from 'zod';
import { adminListener } from '../../admin/section.ts';
import { revocation } from '../../authentication/revocation/section.ts';
import { issuer } from '../../authentication/service-token/section.ts';
import { session } from '../../authentication/session/section.ts';
import { allow, csrf, requirement } from '../../authorization/section.ts';
import { grpcAuthorizerListener } from '../../authorizer/grpc/section.ts';
import { authorizerListener } from '../../authorizer/section.ts';
import { name, notEmpty, type SchemaContext } from '../../config/fields.ts';
import { FORMAT_VERSION } from '../../config/load.ts';
import { cors } from '../../cors/section.ts';
import { login } from '../../endpoints/login/section.ts';
import { refresh } from '../../endpoints/refresh/section.ts';
import { basePath } from '../../endpoints/section.ts';
import { tokenEndpoint } from '../../endpoints/token/section.ts';
import { routeLimit } from '../../limits/section.ts';
import { publicListener, redirectListener } from '../../listener/section.ts';
import { outbound } from '../../outbound/section.ts';
import { pages } from '../../pages/section.ts';
import { problemTypeBase } from '../../response/section.ts';
import { ROUTE_KEYS } from '../../routing/section.ts';
import { passClientHeaders, publicOrigin } from '../../sanitize/section.ts';
import { store } from '../../store/section.ts';
import { log, metrics } from '../../telemetry/section.ts';
import { traces } from '../../telemetry/traces/section.ts';
import { upstreamToken } from '../../token/section.ts';
import { upstream } from '../../upstream/section.ts';
import { shutdown, workers } from '../section.ts';
import { WARNING_CODES } from './parts.ts';

const { id, match, credential, ...otherKeys } = ROUTE_KEYS;
const ROUTE = z.strictObject({
  id,
  match,
  credential,
  allow: allow().optional().meta({
    description: 'Who may use the route. All keys must hold. Left out: every principal that the credential admits.',
  }),
  require: requirement().optional().meta({
    description:
      'How, and how recently, the user must have authenticated. All keys must hold; a request that does not meet them gets 401, and its user can log in again (RFC 9470). Left out: any login will do.',
  }),
  ...otherKeys,
  maxRequests: routeLimit(),
});

const listeners = (context: SchemaContext) =>
  z.strictObject({
    public: publicListener(context).meta({ description: 'Where clients connect.' }),
    redirect: redirectListener()
      .optional()
      .meta({ description: 'A listener that only redirects to the public origin with 308.' }),
    authorizer: authorizerListener().optional().meta({
      description: 'A listener on which other proxies ask whether a request may pass. Left out: none.',
    }),
    grpcAuthorizer: grpcAuthorizerListener(context).optional().meta({
      description:
        'A listener on which Envoy asks the same over gRPC (`envoy.service.auth.v3.Authorization`). Left out: none.',
    }),
    admin: adminListener(context).prefault({}).meta({ description: 'Probes, metrics, admin API.' }),
  });

/**
 * The schema of the whole file. Long because it names every section.
 *
 * @param context  base directory of relative paths, and how to ask whether a file exists
 */
export const configSchema = (context: SchemaContext) =>
  z
    .strictObject({
      version: z
        .literal(FORMAT_VERSION, { error: `must be ${FORMAT_VERSION}` })
        .meta({ description: 'Version of this format.' }),
      publicOrigin: publicOrigin(),
      basePath: basePath(),
      problemTypeBase: problemTypeBase(),
      workers: workers(),
      listeners: listeners(context).meta({ description: 'Where the gateway listens.' }),
      store: store(context).prefault({}).meta({ description: 'Where sessions are stored.' }),
      session: session().prefault({}).meta({ description: 'Sessions and their cookie.' }),
      login: login(context).prefault({}).meta({ description: 'How users log in.' }),
      pages: pages(context).prefault({}).meta({ description: "The gateway's own pages, which people see." }),
      refresh: refresh().optional().meta({
        description:
          'POST {basePath}/refresh: rotating refresh tokens for single-page apps and native apps. Left out: no such endpoint.',
      }),
      csrf: csrf().prefault({}).meta({ description: 'Cross-site request forgery.' }),
      cors: cors().optional().meta({
        description:
          "Pages of other origins that may read answers of the gateway's own endpoints, such as /auth/session. Left out: none.",
      }),
      passClientHeaders: passClientHeaders(),
      upstreamToken: upstreamToken(context)
        .prefault({})
        .meta({ description: 'The short-lived JWT that upstreams get.' }),
      tokenEndpoint: tokenEndpoint(context).optional().meta({
        description: 'POST /auth/token: services exchange tokens and get their own. Left out: no such endpoint.',
      }),
      issuers: z
        .record(name(), issuer(context))
        .prefault({})
        .meta({ description: 'Issuers whose service tokens are accepted: name → keys and rules.' }),
      revocation: revocation().prefault({}).meta({ description: 'Tokens that are refused before they expire.' }),
      upstreams: z
        .record(name(), upstream(context))
        .refine(notEmpty, { message: 'needs at least one upstream' })
        .meta({ description: 'The services behind the gateway: name → servers and rules.' }),
      routes: z
        .array(ROUTE)
        .min(1, 'needs at least one route')
        .meta({ description: 'Which requests go where, and who may make them.' }),
      outbound: outbound(context).optional().meta({
        description:
          'A loopback listener through which the workload beside this gateway calls other services: each destination gets the token that it needs.',
      }),
      log: log().prefault({}).meta({ description: 'Logs, as JSON lines on standard output.' }),
      metrics: metrics().prefault({}).meta({ description: 'What `/metrics` on the admin listener shows.' }),
      traces: traces(context).optional().meta({
        description:
          'OpenTelemetry traces, sent to a collector. Left out: nothing is recorded, and the SDK is not loaded.',
      }),
      shutdown: shutdown().prefault({}).meta({ description: 'How the process ends on SIGTERM.' }),
      acceptWarnings: z
        .array(z.enum(WARNING_CODES).meta({ kind: 'code' }))
        .prefault([])
        .meta({
          description: 'Codes of warnings that are intended and no longer shown (docs/reference/problems.md).',
        }),
    })
    .meta({ id: 'Sallyport', title: 'Sallyport configuration' });

/** The schema of a configuration whose files are not checked: for what is generated from the schema alone. */
export const bareSchema = () => configSchema({ baseDir: '/', fileProblem: () => null });

/** A validated configuration: defaults filled in, durations in milliseconds, sizes in bytes, file paths absolute. */
export type Config = z.output<ReturnType<typeof configSchema>>;
