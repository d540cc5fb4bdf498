/** Inspects a Redis for `sallyport doctor`: whether it is usable, how fast it is, its clock, and whether it may drop sessions. */

import { Cluster } from 'ioredis';
import type { Clocks } from '../../lib/clock.ts';
import { answerWithin } from '../networked/deadline.ts';
import type { StoreEvents } from '../networked/events.ts';
import type { StoreInspection } from '../networked/kind.ts';
import type { Client } from './connection/clients.ts';
import { describe } from './connection/faults.ts';
import { Servers } from './connection/servers.ts';
import { RedisSettings } from './connection/settings.ts';
import type { RedisConfig } from './section.ts';
import { openRedisStore } from './store.ts';

/** How many round trips are measured; the median is reported. */
const ROUND_TRIPS = 5;

const NOTHING = { version: null, roundTripMs: null, clockAheadMs: null, memory: null, warnings: [] } as const;

/** Connects, asks, and rehearses what the gateway does. Never rejects. */
export async function inspectRedis(section: RedisConfig, clocks: Clocks): Promise<StoreInspection> {
  const settings = new RedisSettings(section);
  const { description } = settings;
  const signal = AbortSignal.timeout(2 * settings.connectTimeoutMs + 2 * settings.commandTimeoutMs + 1_000);
  let client: Client | null = null;
  try {
    client = await new Servers(settings, `${settings.keyPrefix}{doctor}`).connect(signal);
    const asked = await ask(client, settings, clocks);
    return { description, problem: await rehearsalProblem(section, clocks), ...asked };
  } catch (error) {
    return { description, problem: describe(error), ...NOTHING };
  } finally {
    client?.disconnect();
  }
}

async function ask(client: Client, settings: RedisSettings, clocks: Clocks) {
  const within = <T>(answer: Promise<T>) => answerWithin(answer, settings.commandTimeoutMs);
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  const [first] = nodes;
  if (first === undefined) return NOTHING;
  const turns: { readonly tookMs: number; readonly aheadMs: number }[] = [];
  for (let turn = 0; turn < ROUND_TRIPS; turn += 1) {
    const [beganMs, wallMs] = [clocks.monotonicMs(), clocks.wallMs()];
    // TIME is one of the rights that the gateway needs.
    const [seconds = 0, micros = 0] = (await within(first.time())).map(Number);
    const tookMs = clocks.monotonicMs() - beganMs;
    turns.push({ tookMs, aheadMs: seconds * 1_000 + micros / 1_000 - (wallMs + tookMs / 2) });
  }
  const sorted = turns.toSorted((one, other) => one.tookMs - other.tookMs);
  const [quickest] = sorted;
  const roundTripMs = sorted[Math.floor(ROUND_TRIPS / 2)]?.tookMs ?? null;
  const clockAheadMs = quickest === undefined ? null : beyond(quickest.aheadMs, quickest.tookMs / 2);
  // A user with only the rights that the gateway needs may not ask.
  const infos = await Promise.all(nodes.map((node) => within(node.info()).catch(() => '')));
  return { roundTripMs, clockAheadMs, ...toldBy(infos) };
}

/** What is left of a difference that is not known more exactly than this. */
const beyond = (differenceMs: number, uncertaintyMs: number): number =>
  Math.sign(differenceMs) * Math.max(0, Math.abs(differenceMs) - uncertaintyMs);

function toldBy(infos: readonly string[]): Pick<StoreInspection, 'version' | 'memory' | 'warnings'> {
  const field = (info: string, name: string) => {
    const line = info.split('\r\n').find((it) => it.startsWith(`${name}:`));
    return line === undefined ? null : line.slice(name.length + 1);
  };
  const first = infos.find((info) => info !== '') ?? '';
  const valkey = field(first, 'valkey_version');
  const redis = field(first, 'redis_version');
  const fullest = infos
    .map((info) => ({
      usedBytes: Number(field(info, 'used_memory') ?? Number.NaN),
      maxBytes: Number(field(info, 'maxmemory') ?? 0),
    }))
    .filter(({ usedBytes }) => Number.isFinite(usedBytes))
    .toSorted((one, other) => other.usedBytes - one.usedBytes)[0];
  const policies = new Set(infos.map((info) => field(info, 'maxmemory_policy')).filter((it) => it !== null));
  policies.delete('noeviction');
  return {
    version: valkey !== null ? `Valkey ${valkey}` : redis === null ? null : `Redis ${redis}`,
    memory: fullest ?? null,
    warnings: [...policies].map((policy) => `maxmemory-policy is ${policy}`),
  };
}

const SILENT: StoreEvents = {
  onAnswered: () => {},
  onError: () => {},
  onAvailable: () => {},
  onUnavailable: () => {},
  onWarning: () => {},
};

/** What the start of a gateway would say. */
async function rehearsalProblem(section: RedisConfig, clocks: Clocks): Promise<string | null> {
  try {
    const store = await openRedisStore(section, clocks, SILENT);
    await store.close();
    return null;
  } catch (error) {
    return describe(error);
  }
}
