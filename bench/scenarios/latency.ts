/**
 * Latency at half of what the gateway can do, beside that of the relay at the same rate: many short rounds in pairs, so that what else
 * the machine does hits both alike. Each request counts from when it was due (bench/load/generator/open-loop.ts).
 */

import type { Credentials } from '../load/generator/load.ts';
import { measure, type Target } from '../load/measure.ts';
import { openSessions } from '../load/sessions.ts';
import { percentile, type Spread, spreadOf } from '../support/statistics.ts';
import { type Figure, type Found, MEASURED_CORE, type Scenario, type Stage } from './scenario.ts';

const CONNECTIONS = 64;
const ROUND_MS = 500;
const PERCENTS = [50, 90, 99, 99.9];
const MOST_MS: Readonly<Record<number, number>> = { 50: 0.1, 99: 1 };

export const latency: Scenario = { name: 'latency', title: 'Latency at half load', run };

async function run(stage: Stage): Promise<Found> {
  const [relay, gateway] = [await stage.relay(), await stage.gateway('latency')];
  const values = await openSessions(gateway.port, CONNECTIONS);
  const credentials: Credentials = { header: 'Cookie', values, use: 'per connection' };
  const given = { base: '/api', credentials: () => Promise.resolve(credentials) };
  const targets: readonly [Target, Target] = [
    { name: 'relay', ...relay, ...given },
    { name: 'sallyport', child: gateway.child, port: gateway.port, ...given },
  ];
  const generator = await stage.generator();
  const round = (target: Target, rate: number | null, durationMs: number) =>
    measure(generator, target, {
      ...{ connections: CONNECTIONS, durationMs, rate, expectedRequests: CONNECTIONS, core: MEASURED_CORE },
    });
  for (const target of targets) await round(target, null, stage.turns.warmUpMs);
  const { requestsPerSec } = await round(targets[1], null, stage.turns.roundMs);
  const rate = Math.round(requestsPerSec / 2);
  const pairs: { readonly relay: readonly number[]; readonly sallyport: readonly number[] }[] = [];
  for (let pair = 0; pair < (stage.isQuick ? 16 : 60); pair += 1) {
    const order = pair % 2 === 0 ? targets : [targets[1], targets[0]];
    const ms = new Map<string, readonly number[]>();
    for (const target of order) {
      const sorted = (await round(target, rate, ROUND_MS)).latenciesUs.sort();
      ms.set(
        target.name,
        PERCENTS.map((percent) => percentile(sorted, percent) / 1_000),
      );
    }
    pairs.push({ relay: ms.get('relay') ?? [], sallyport: ms.get('sallyport') ?? [] });
  }
  return found(rate, pairs);
}

function found(
  rate: number,
  pairs: readonly { readonly relay: readonly number[]; readonly sallyport: readonly number[] }[],
): Found {
  const at = (index: number, of: 'relay' | 'sallyport') => pairs.map((pair) => pair[of][index] as number);
  const figures: Figure[] = PERCENTS.flatMap((percent, index) =>
    (['relay', 'sallyport'] as const).map((of) => ({
      ...{ title: `p${percent}`, by: of === 'relay' ? 'bare relay' : 'Sallyport', x: percent },
      ...{ value: middleOf(at(index, of)), unit: 'ms' },
    })),
  );
  const goals = PERCENTS.map((percent, index) => {
    const added = middleOf(
      pairs.map(({ relay, sallyport }) => (sallyport[index] as number) - (relay[index] as number)),
    );
    const atMost = MOST_MS[percent];
    return { title: `added latency, p${percent}`, value: added, unit: 'ms', ...(atMost !== undefined && { atMost }) };
  });
  const note = `${rate} requests per second, half of the maximum; ${pairs.length} pairs of rounds of ${ROUND_MS} ms`;
  return { figures, goals, notes: [`${note}: median, and the middle half.`] };
}

/** Median, and the quartiles: the rounds in which a neighbour was busy lie outside. */
function middleOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { min: percentile(sorted, 25), median: spreadOf(values).median, max: percentile(sorted, 75) };
}
