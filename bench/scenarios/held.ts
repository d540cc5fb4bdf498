/** Memory of 10,000 open event streams, and of 10,000 idle connections. */

import { openSessions } from '../load/sessions.ts';
import { residentBytes } from '../support/process-figures.ts';
import { type Found, OPEN_FILES, once, requestText, type Scenario, type Stage } from './scenario.ts';

const COUNT = 10_000;
/** A stream needs two connections, and the gateway some files beside them. */
const STREAMS = Math.min(COUNT, Math.floor((OPEN_FILES - 1_000) / 2));
/** Of one session, which may have 256 requests at a time. */
const PER_SESSION = 200;
const SETTLE_MS = 5_000;
const IDLE_GOAL_MIB = 200;

export const held: Scenario = { name: 'held', title: 'Open connections', run };

async function run(stage: Stage): Promise<Found> {
  const idle = await holdAll(stage, 'idle', '/api/orders', COUNT);
  const streams = await holdAll(stage, 'streams', '/api/events', STREAMS);
  const rows = { [`${COUNT} idle connections`]: idle, [`${STREAMS} open event streams`]: streams };
  const figures = Object.entries(rows).flatMap(([title, { beforeMib, thenMib }]) => [
    { title: `before ${title}`, by: 'Sallyport', value: once(beforeMib), unit: 'MiB resident' },
    { title: `with ${title}`, by: 'Sallyport', value: once(thenMib), unit: 'MiB resident' },
  ]);
  const goals = [
    {
      title: 'memory with 10,000 idle connections',
      value: once(idle.thenMib),
      atMost: IDLE_GOAL_MIB,
      unit: 'MiB',
    },
  ];
  const notes = ['The source, as Node runs it; the built program needs some 20 MiB less.'];
  if (STREAMS < COUNT)
    notes.push(`Open files are limited to ${OPEN_FILES} here, and each stream needs two in the gateway.`);
  return { figures, goals, notes };
}

/** Opens connections with one request on each, and measures once all is quiet. */
async function holdAll(stage: Stage, name: string, path: string, count: number) {
  const listener = { limits: { maxConcurrentRequests: 2 * COUNT } };
  const { port, child } = await stage.gateway(name, { listener, upstream: { maxConnections: 2 * COUNT } });
  const cookies = await openSessions(port, COUNT / PER_SESSION);
  const requests = cookies.map((cookie) => requestText('GET', path, { Cookie: cookie }));
  const mib = () => (residentBytes(child.pid) ?? Number.NaN) / 2 ** 20;
  const beforeMib = mib();
  const { units } = await stage.client({ do: 'hold', port, requests, connections: count });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const thenMib = mib();
  await stage.client({ do: 'release', port });
  await child.end();
  if (units !== count) throw new Error(`${units} of ${count} are open`);
  return { beforeMib, thenMib };
}
