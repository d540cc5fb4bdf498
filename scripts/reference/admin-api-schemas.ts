/** Schemas of what the admin listener answers. `satisfies` ties each to the members of its interface. */

import { z } from 'zod';
import type {
  ApplyResult,
  ConfigurationReport,
  ConfigurationWarning,
  GatewayStatus,
  PastReload,
  ReloadReport,
  SessionSummary,
  TokenRevocationReport,
} from '../../src/admin/control.ts';
import type { FeedStatus, KeySetStatus, ProcessStatus, SigningKeyStatus } from '../../src/admin/status.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../src/lib/crypto/base64url.ts';
import type { RecentReason, RecentRequest } from '../../src/telemetry/recent-requests.ts';

type Members<T> = Readonly<Record<keyof T, z.ZodType>>;

const time = z.iso.datetime();
const handle = z.string().regex(BASE64URL_32_BYTES_PATTERN);
const hash = z.string().meta({ description: 'Hash of the configuration in use.' });
const needRestart = z
  .array(z.string())
  .meta({ description: 'Keys that changed but take effect only after a restart.' });
const kept = z
  .array(z.string())
  .meta({ description: 'Unusable files whose previous contents stay in use. One line each.' });

const components = z.array(
  z.object({
    name: z.string(),
    ok: z.boolean(),
    required: z.boolean().meta({ description: 'Whether the gateway is not ready without it.' }),
    detail: z.string(),
  }),
);

const session = z.object({
  handle,
  subject: z.string(),
  method: z.string().meta({ description: 'How the user logged in.' }),
  device: z.string(),
  createdAt: time,
  lastSeenAt: time,
  expiresAt: time.meta({ description: 'The absolute timeout.' }),
  idleExpiresAt: time.meta({ description: 'The end if it is not used again.' }),
} satisfies Members<SessionSummary>);

const text = z.string().nullable();
const recentRequest = z.object({
  id: z.string(),
  time: time.meta({ description: 'When it ended.' }),
  listener: z.string(),
  client: z.string(),
  method: text,
  host: text,
  path: text.meta({ description: 'Without the query.' }),
  route: text,
  upstream: text.meta({ description: 'The upstream that it was sent to; null if none.' }),
  kind: text.meta({ description: 'The kind of credential that was accepted.' }),
  subject: text,
  status: z.int(),
  reason: text.meta({ description: 'Why it was refused or failed; null if it was not.' }),
  note: text.meta({ description: 'Which rule fired.' }),
  fault: z.record(z.string(), z.string()).nullable(),
  durationMs: z.number(),
  upstreamFirstByteMs: z.number().nullable(),
} satisfies Members<RecentRequest>);

const applied = z.object({
  process: z.string().meta({ description: '`gateway`, or `worker` and its number.' }),
  problem: z.string().nullable().meta({ description: 'Why it kept the previous configuration; null: it did not.' }),
  kept,
} satisfies Members<ApplyResult>);

const reload = {
  result: z.enum(['applied', 'rejected']),
  hash,
  problems: z.array(z.string()).meta({ description: 'One line for each mistake; empty when it was applied.' }),
  needRestart,
  kept,
  results: z.array(applied),
} satisfies Members<ReloadReport>;

const reason = z.object({
  reason: z.string(),
  count: z.int(),
  lastAt: time,
  lastId: z.string().meta({ description: 'Request id of the last one.' }),
  lastRoute: text,
} satisfies Members<RecentReason>);

const feed = z.object({
  isConnected: z.boolean(),
  provenAgeMs: z
    .number()
    .nullable()
    .meta({ description: 'Since the moment up to which everything published has provably arrived; null: never.' }),
  unbrokenForMs: z
    .number()
    .nullable()
    .meta({ description: 'For how long it has delivered without a gap; null where it is cut, or never had one.' }),
} satisfies Members<FeedStatus>);

const keySet = z.object({
  name: z.string(),
  kind: z.string(),
  isFetched: z.boolean(),
  ageMs: z.number().nullable().meta({ description: 'Since the last successful fetch; null: never.' }),
  keys: z.array(z.object({ kid: text, algorithms: z.array(z.string()) })),
} satisfies Members<KeySetStatus>);

const signingKey = z.object({
  kid: z.string(),
  state: z.enum(['next', 'active', 'retired']),
  createdAt: time.nullable(),
  activatesAt: time.nullable(),
} satisfies Members<SigningKeyStatus>);

const process = z.object({
  process: z.string().meta({ description: '`gateway`, or `worker` and its number.' }),
  pid: z.int(),
  startedAt: time,
  connections: z.int(),
  requestsInProgress: z.int(),
  cachedSessions: z.int(),
  residentBytes: z.int(),
  store: z.object({ description: z.string(), isAvailable: z.boolean() }),
  feed,
  keySets: z.array(keySet),
  signingKeys: z.array(signingKey),
} satisfies Members<ProcessStatus>);

const configuration = z.object({ hash, loadedAt: time, needRestart });
const warning = z.object({
  code: z.string(),
  line: z.int(),
  column: z.int(),
  message: z.string(),
} satisfies Members<ConfigurationWarning>);

/** Bodies of answers, by the names that the document gives them. */
export const ANSWERS = {
  Readiness: z.object({ ready: z.boolean(), components }),
  Startup: z.object({ started: z.boolean(), components }),
  KeySet: z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string() })) }),
  Reload: z.object(reload),
  Status: z.object({
    at: time.meta({ description: 'By the clock of the gateway.' }),
    version: z.string(),
    revision: z.string(),
    node: z.string(),
    configuration,
    reloads: z.array(z.object({ at: time, ...reload } satisfies Members<PastReload>)),
    warnings: z.array(warning),
    components: z.array(z.object({ name: z.string(), isOk: z.boolean(), isRequired: z.boolean(), detail: z.string() })),
    processes: z.array(process),
    reasons: z.array(reason),
  } satisfies Members<GatewayStatus>),
  RecentRequests: z.object({ requests: z.array(recentRequest) }),
  Configuration: z.object({
    hash,
    loadedAt: time,
    needRestart,
    config: z.looseObject({}).meta({ description: 'The configuration with its defaults, without secrets.' }),
  } satisfies Members<ConfigurationReport>),
  RecentRequest: z.object({
    request: recentRequest.nullable().meta({ description: 'null if no process remembers a request with this id.' }),
  }),
  Sessions: z.object({ sessions: z.array(session) }),
  RevokedSessions: z.object({ revoked: z.array(handle) }),
  TokenRevocationReport: z.object({
    kind: z.enum(['token', 'session', 'subject']),
    until: time.meta({ description: 'When the record is dropped: every such token has expired by then.' }),
    hasExpired: z.boolean().meta({ description: 'Nothing was recorded: every such token has expired already.' }),
  } satisfies Members<TokenRevocationReport>),
  Problem: z
    .object({
      type: z.string().meta({ description: '`problemTypeBase` of the configuration and the reason, or about:blank.' }),
      title: z.string(),
      status: z.int().min(400).max(599),
      detail: z.string(),
      reason: z.string().meta({ description: 'Stable, for programs.' }),
      requestId: z.string().optional().meta({ description: 'The id under which the log says more.' }),
    })
    .meta({ description: 'A problem document (RFC 9457).' }),
};

/** The name of such a schema. */
export type AnswerName = keyof typeof ANSWERS;
