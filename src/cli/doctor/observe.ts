/** Looks at everything once, so that all checks judge the same state. Nothing here judges. */

import type { ComponentHealth, ConfigurationReport, GatewayStatus } from '../../admin/control.ts';
import { ConfigFault } from '../../errors.ts';
import type { Contents } from '../../gateway/configuration/contents.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import { jsonOf } from '../../lib/text/json.ts';
import type { ReadResult } from '../../process/read.ts';
import type { StoreInspection } from '../../store/networked/kind.ts';
import type { RecentRequest } from '../../telemetry/recent-requests.ts';
import { type CliIo, UsageFault } from '../command.ts';
import { type AdminOptions, callAdmin, findAdmin, hasList, hasStrings } from '../io/admin-client.ts';
import { checkConfiguration, checkWithContents, configPath } from '../io/configuration.ts';
import { request } from '../io/http.ts';

/** The configuration file and what it names. */
export interface ObservedFile {
  readonly path: string;
  /** `null` when it is not valid, or cannot be read. */
  readonly loaded: LoadedConfig | null;
  /** What is in the files that it names; `null` when one of them cannot be used. */
  readonly contents: Contents | null;
  readonly problems: ReadResult['problems'];
  /** Why it cannot be read; `null` when it can. */
  readonly fault: string | null;
}

/** The running gateway, as its admin listener describes it. */
export interface ObservedGateway {
  /** `null` when it is not known where it is. */
  readonly url: string | null;
  /** Why it does not answer; `null` when it does. */
  readonly silence: string | null;
  /** Why its API says nothing; `null` when it does. */
  readonly refusal: string | null;
  readonly status: GatewayStatus | null;
  /** Of the process, with its secrets removed. */
  readonly configuration: ConfigurationReport | null;
  readonly requests: readonly RecentRequest[];
  /** In the text format of Prometheus; `null` where they could not be read. */
  readonly metrics: string | null;
  /** The components of readiness, upstreams included; they need no token. */
  readonly components: readonly ComponentHealth[];
}

/** Everything that was observed. */
export interface Observation {
  readonly file: ObservedFile;
  readonly gateway: ObservedGateway;
  /** `null` where sessions live in the process, and where the configuration is not valid. */
  readonly store: StoreInspection | null;
  /** When it was observed; wall clock of this machine. */
  readonly atMs: number;
}

/** Metrics of some 3,000 routes fit. */
const MAX_METRICS_BYTES = 256 * 1024 * 1024;

/** Looks at everything. @throws UsageFault when the options make no sense */
export async function observe(options: AdminOptions, io: CliIo): Promise<Observation> {
  if (options.config === '-') throw new UsageFault('the configuration is read several times: name a file');
  const { namedStores } = await import('../../store/kinds.ts');
  const file = await observeFile(configPath(options.config, io), io);
  const [store] = file.loaded === null ? [] : namedStores(file.loaded.config.store);
  const [gateway, inspection] = await Promise.all([
    observeGateway(options, io),
    store === undefined ? null : store.inspect(io.clocks),
  ]);
  return { file, gateway, store: inspection, atMs: io.clocks.wallMs() };
}

async function observeFile(path: string, io: CliIo): Promise<ObservedFile> {
  const file = await asked(async () => {
    const { loaded, problems } = await checkWithContents(path, io);
    if (loaded !== null) return { loaded, contents: loaded.contents, problems };
    // One of its files may be unusable; the rest can be looked at.
    return { loaded: (await checkConfiguration(path, io, true)).loaded, contents: null, problems };
  });
  return typeof file === 'string'
    ? { path, loaded: null, contents: null, problems: [], fault: file }
    : { path, ...file, fault: null };
}

const UNKNOWN: ObservedGateway = {
  url: null,
  silence: null,
  refusal: null,
  status: null,
  configuration: null,
  requests: [],
  metrics: null,
  components: [],
};

async function observeGateway(options: AdminOptions, io: CliIo): Promise<ObservedGateway> {
  const place = await asked(() => findAdmin(options, io));
  if (typeof place === 'string') return { ...UNKNOWN, silence: place };
  const at: ObservedGateway = { ...UNKNOWN, url: place.url.origin };
  const ready = await asked(() => request('GET', new URL('/readyz', place.url)));
  if (typeof ready === 'string') return { ...at, silence: ready };
  const components = componentsOf(ready.body);
  const [more, metrics, status, configuration, recent] = await Promise.all([
    asked(() => request('GET', new URL('/readyz?include=upstream', place.url))),
    asked(() => request('GET', new URL('/metrics', place.url), { timeoutMs: 30_000, maxBytes: MAX_METRICS_BYTES })),
    asked(() => callAdmin('GET', '/api/status', place)),
    asked(() => callAdmin('GET', '/-/config', place)),
    asked(() => callAdmin('GET', '/api/recent-requests', place)),
  ]);
  return {
    ...at,
    refusal:
      typeof status === 'string' ? status : isStatus(status) ? null : `${place.url.origin} is of another version`,
    status: isStatus(status) ? status : null,
    configuration: hasStrings(configuration, ['hash', 'loadedAt']) ? (configuration as never) : null,
    requests: hasList(recent, 'requests', (it) => hasStrings(it, ['id', 'time']))
      ? (recent as { requests: readonly RecentRequest[] }).requests
      : [],
    metrics: typeof metrics === 'string' || metrics.status !== 200 ? null : metrics.body,
    components: [...components, ...(typeof more === 'string' ? [] : withoutThose(componentsOf(more.body), components))],
  };
}

/** What was answered, or why nothing was. */
async function asked<T>(ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (thrown) {
    if (thrown instanceof ConfigFault) return thrown.message;
    throw thrown;
  }
}

const isStatus = (value: unknown): value is GatewayStatus =>
  hasStrings(value, ['at', 'version', 'node']) &&
  hasList(value, 'processes', (it) => hasStrings(it, ['process', 'startedAt'])) &&
  hasList(value, 'reasons', (it) => hasStrings(it, ['reason'])) &&
  hasList(value, 'components', (it) => hasStrings(it, ['name', 'detail']));

/** Upstreams that readiness does not ask for: those of the second list that are not in the first. */
const withoutThose = (all: readonly ComponentHealth[], known: readonly ComponentHealth[]) =>
  all.filter(({ name }) => !known.some((it) => it.name === name)).map((it) => ({ ...it, isRequired: false }));

/** The components of a readiness document; none when something else answered. */
function componentsOf(body: string): readonly ComponentHealth[] {
  const document = jsonOf(body);
  if (!hasList(document, 'components', (it) => hasStrings(it, ['name', 'detail']))) return [];
  const { components } = document as unknown as {
    readonly components: readonly { name: string; ok: boolean; required: boolean; detail: string }[];
  };
  return components.map(({ name, ok, required, detail }) => ({ name, isOk: ok, isRequired: required, detail }));
}
