/** Memory of 10,000 open event streams, and of 10,000 idle connections, the latter beside the bare relay. */

import { openSessions } from '../load/sessions.ts';
import type { Child } from '../support/children.ts';
import { residentBytes } from '../support/process-figures.ts';
import { type Figure, type Found, OPEN_FILES, once, requestText, type Scenario, type Stage } from './scenario.ts';

const COUNT = 10_000;
/** A stream needs two connections, and the gateway some files beside them. */
const STREAMS = Math.min(COUNT, Math.floor((OPEN_FILES - 1_000) / 2));
/** Of one session, which may have 256 requests at a time. */
const PER_SESSION = 200;
const SETTLE_MS = 5_000;
const IDLE_GOAL_MIB = 200;

export const held: Scenario = { name: 'held', title: 'Open connections', run };

async function run(stage: Stage): Promise<Found> {
  const idle = await holdAll(await gatewayFor(stage, 'idle'), '/api/orders', COUNT);
  const relayed = await holdAll(await relayFor(stage), '/api/orders', COUNT);
  const streams = await holdAll(await gatewayFor(stage, 'streams'), '/api/events', STREAMS);
  const idleTitle = `${shown(COUNT)} idle connections`;
  const notes = [
    'The source, as Node runs it; the built program needs some 15 MiB less (`npm run bench -- memory --built`). The relay does nothing but forward: its memory is that of Node.',
  ];
  if (STREAMS < COUNT)
    notes.push(`Open files are limited to ${shown(OPEN_FILES)} here, and each stream needs two in the gateway.`);
  return {
    figures: [
      ...figuresOf(idleTitle, 'Sallyport', COUNT, idle),
      ...figuresOf(idleTitle, 'bare relay', COUNT, relayed),
      ...figuresOf(`${shown(STREAMS)} open event streams`, 'Sallyport', STREAMS, streams),
    ],
    goals: [
      {
        title: 'memory with 10,000 idle connections',
        value: once(idle.thenMib),
        atMost: IDLE_GOAL_MIB,
        unit: 'MiB',
      },
    ],
    notes,
  };
}

function figuresOf(title: string, by: string, count: number, { beforeMib, thenMib }: Held): readonly Figure[] {
  return [
    { title: `before ${title}`, by, value: once(beforeMib), unit: 'MiB resident' },
    { title: `with ${title}`, by, value: once(thenMib), unit: 'MiB resident' },
    { title: `each of ${title}`, by, value: once(((thenMib - beforeMib) * 1_024) / count), unit: 'KiB' },
  ];
}

/** A process that answers, and what to ask it. */
interface Holder {
  readonly stage: Stage;
  readonly port: number;
  readonly child: Child;
  readonly cookies: readonly string[];
}

async function gatewayFor(stage: Stage, name: string): Promise<Holder> {
  const listener = { limits: { maxConcurrentRequests: 2 * COUNT } };
  const { port, child } = await stage.gateway(name, { listener, upstream: { maxConnections: 2 * COUNT } });
  return { stage, port, child, cookies: await openSessions(port, COUNT / PER_SESSION) };
}

async function relayFor(stage: Stage): Promise<Holder> {
  return { stage, ...(await stage.relay()), cookies: ['none='] };
}

interface Held {
  readonly beforeMib: number;
  readonly thenMib: number;
}

/** Opens connections with one request on each, and measures once all is quiet; then ends the process. */
async function holdAll({ stage, port, child, cookies }: Holder, path: string, count: number): Promise<Held> {
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

const shown = (count: number) => count.toLocaleString('en-US');
