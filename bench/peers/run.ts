/**
 * `npm run bench -- peers`: what the same request costs through Sallyport and through what people would pick instead. Every program
 * runs on the same core, in turns of many short rounds, behind the same upstream; see bench/README.md.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../test/support/programs.ts';
import { RedisServer } from '../../test/support/redis.ts';
import { check } from '../load/checks.ts';
import { patient, startGateway } from '../load/gateway.ts';
import type { Credentials } from '../load/generator/load.ts';
import { measure } from '../load/measure.ts';
import { openSessions } from '../load/sessions.ts';
import type { Variant } from '../load/variants.ts';
import { type Child, Children, canPin, pinSelf } from '../support/children.ts';
import { provenance } from '../support/machine.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { checkPeer } from './checks.ts';
import { type Contestant, PEERS } from './peers.ts';
import { type Place, preparePlace } from './place.ts';
import { type PeerRound, type PeersReport, type PeersSettings, print, summarise } from './report.ts';

export const PEERS_FULL = { connections: 64, warmUpMs: 3_000, rounds: 9, roundMs: 2_000 };
export const PEERS_QUICK = { connections: 64, warmUpMs: 2_000, rounds: 5, roundMs: 1_000 };

const [MEASURED_CORE, OTHER_CORE] = [0, 1];

/** The default: wrk where it is installed. */
export const defaultTool = (): PeersSettings['tool'] => (findProgram(['wrk']) === null ? 'autocannon' : 'wrk');

/**
 * Runs the benchmark and writes its report.
 *
 * @param file  of the report, JSON
 * @returns whether every answer was right
 */
export async function runPeers(settings: PeersSettings, file: string): Promise<boolean> {
  const measured = provenance();
  const isPinned = canPin && availableParallelism() > OTHER_CORE;
  if (isPinned) pinSelf(OTHER_CORE);
  using children = new Children();
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  await using redis = await RedisServer.start();
  try {
    const given = { children, directory, core: MEASURED_CORE, redis, connections: settings.connections };
    using place = await preparePlace(given);
    const { contestants, absent } = await startAll(place, settings.only);
    const generator = children.node([fileURLToPath(new URL('../load/generator/generator.ts', import.meta.url))]);
    await generator.ask();
    for (const { check } of contestants) await check();
    const rounds = await takeTurns(generator, contestants, redis, settings);
    for (const { check } of contestants) await check();
    const report: PeersReport = {
      kind: 'peers',
      ...measured,
      settings: { ...settings, isPinned },
      upstream: place.upstreamTitle,
      absent,
      peers: summarise(contestants, rounds),
    };
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
    print(report);
    return report.peers.every(({ failures }) => failures.length === 0);
  } finally {
    children[Symbol.dispose]();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Starts ours and every peer that can be started. */
async function startAll(place: Place, only: PeersSettings['only']) {
  const contestants = await startOurs(place);
  const absent: { readonly title: string; readonly why: string }[] = [];
  for (const { start, ...peer } of PEERS) {
    if (only !== null && !only.includes(peer.name)) continue;
    console.error(`starting: ${peer.title}`);
    const running = await start(place).catch((error: Error) => `did not start: ${error.message.split('\n', 1)[0]}`);
    if (typeof running === 'string') {
      console.error(`left out: ${peer.title}: ${running}`);
      absent.push({ title: peer.title, why: running });
      continue;
    }
    const { version, ...target } = running;
    const isChecked = () => checkPeer(peer, target, place);
    contestants.push({ ...peer, version, target: { name: peer.name, ...target }, check: isChecked });
  }
  return { contestants, absent };
}

/** The bare relay, and the gateway with a warm session and with a known service token. */
async function startOurs(place: Place): Promise<Contestant[]> {
  const { children, directory, core, upstreamPort, redis, connections, serviceIssuer } = place;
  const relayFile = fileURLToPath(new URL('../load/servers/relay.ts', import.meta.url));
  const placed = core === undefined ? {} : { core };
  const relay = children.node([relayFile, `http://127.0.0.1:${upstreamPort}`], placed);
  const { port: relayPort } = await relay.ask<{ port: number }>();
  const given = { upstreamPort, redisUrl: redis.url, accessLog: 'off', jwks: serviceIssuer.jwks } as const;
  const settings = { ...given, listener: patient() };
  const gateway = await startGateway(children, join(directory, 'sallyport'), settings, placed);
  const sessions = { header: 'Cookie', values: await openSessions(gateway.port, connections) };
  const tokens = { header: 'Authorization', values: await serviceIssuer.tokens(connections) };
  const version = `Node ${process.version.slice(1)}`;
  const ours = (
    name: Variant['name'],
    given: Pick<Contestant, 'title' | 'job' | 'note'>,
    { child, port, keysPort, base }: Pick<Variant, 'child' | 'port' | 'keysPort' | 'base'>,
    values: Omit<Credentials, 'use'>,
  ): Contestant => {
    const credentials = () => Promise.resolve({ ...values, use: 'per connection' as const });
    const variant = { name, title: given.title, child, port, keysPort, base, credentials, isCold: false };
    return { ...given, name, version, target: variant, check: () => check(variant) };
  };
  const { child, port } = gateway;
  const inGateway = { child, port, keysPort: port };
  const note = 'keeps sessions and tokens for a while; revocations are pushed';
  return [
    ours(
      'relay',
      { title: 'bare node:http + undici relay', job: 'forward', note: 'no checks' },
      { child: relay, port: relayPort, keysPort: port, base: '/api' },
      sessions,
    ),
    ours('warm', { title: 'Sallyport, session', job: 'session', note }, { ...inGateway, base: '/api' }, sessions),
    ours(
      'service',
      { title: 'Sallyport, service token', job: 'service', note: 'keeps checked tokens and its own' },
      { ...inGateway, base: '/internal' },
      tokens,
    ),
  ];
}

/** Rounds by contestant; in each turn, every contestant has one, in rotating order. */
async function takeTurns(
  generator: Child,
  contestants: readonly Contestant[],
  redis: RedisServer,
  { connections, warmUpMs, rounds, roundMs, tool }: PeersSettings,
): Promise<ReadonlyMap<string, readonly PeerRound[]>> {
  const taken = new Map<string, PeerRound[]>(contestants.map(({ name }) => [name, []]));
  const one = async ({ name, target }: Contestant, durationMs: number): Promise<PeerRound> => {
    console.error(`measuring: ${name}`);
    const redisUs = cpuTimeUs(redis.pid);
    const settings = { connections, durationMs, rate: null, expectedRequests: connections, core: MEASURED_CORE, tool };
    const round = await measure(generator, target, settings);
    const usedUs = cpuTimeUs(redis.pid);
    return {
      ...round,
      redisUsPerRequest: usedUs === null || redisUs === null ? null : (usedUs - redisUs) / round.requests,
    };
  };
  for (const contestant of contestants) await one(contestant, warmUpMs);
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const [index] of contestants.entries()) {
      const contestant = contestants[(index + turn) % contestants.length] as Contestant;
      taken.get(contestant.name)?.push(await one(contestant, roundMs));
    }
  }
  return taken;
}
