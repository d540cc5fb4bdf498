/** WebSockets: messages per CPU second beside nginx, and the memory of 1,000 open ones. */

import { PUBLIC_ORIGIN } from '../load/gateway.ts';
import { openSessions } from '../load/sessions.ts';
import { residentBytes } from '../support/process-figures.ts';
import { type Found, once, requestText, type Scenario, type Stage } from './scenario.ts';
import { Turns } from './turns.ts';

const MESSAGING = 64;
const HELD = 1_000;
/** Connections that belong to one session: fewer than a session may have. */
const PER_SESSION = 100;
const SETTLE_MS = 3_000;

export const tunnels: Scenario = { name: 'tunnels', title: 'WebSockets', run };

const handshake = (path: string, cookie: string) =>
  requestText('GET', path, {
    Cookie: cookie,
    Origin: PUBLIC_ORIGIN,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  });

async function run(stage: Stage): Promise<Found> {
  const [nginx, gateway] = [await stage.nginx(), await stage.gateway('tunnels')];
  const cookies = await openSessions(gateway.port, Math.ceil(HELD / PER_SESSION));
  const subjects = [
    { name: 'sallyport', title: 'Sallyport', ...gateway },
    ...(nginx === null ? [] : [{ name: 'nginx', title: 'nginx', ...nginx }]),
  ].map(({ name, title, child, port }) => ({
    ...{ name, title, pid: child.pid },
    run: (durationMs: number) => {
      const given = { handshake: handshake('/api/echo', cookies[0] as string), connections: MESSAGING, durationMs };
      return stage.client({ do: 'echo', port, ...given });
    },
  }));
  const turns = await Turns.take(subjects, stage.turns);
  const title = 'messages of 100 bytes there and back';
  const figures = subjects.map(({ name, title: by }) => {
    return { title, by, value: turns.perCpuSec(name), unit: 'messages per CPU second' };
  });
  const goals =
    nginx === null ? [] : [{ title: 'a message: CPU ÷ nginx', value: turns.ratio('sallyport', 'nginx'), unit: '×' }];
  const memory = await memoryOfHeld(stage, cookies);
  return { figures: [...figures, memory], goals, notes: [`${MESSAGING} WebSockets, one message at a time on each.`] };
}

async function memoryOfHeld(stage: Stage, cookies: readonly string[]): Promise<Found['figures'][number]> {
  const { port, child } = await stage.gateway('held');
  const requests = cookies.map((cookie) => handshake('/api/held', cookie));
  // What the first ones need, later ones find there.
  await stage.client({ do: 'hold', port, requests, connections: PER_SESSION });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const beforeBytes = residentBytes(child.pid) ?? Number.NaN;
  const { units } = await stage.client({ do: 'hold', port, requests, connections: HELD - PER_SESSION });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const added = (residentBytes(child.pid) ?? Number.NaN) - beforeBytes;
  await stage.client({ do: 'release', port });
  if (units !== HELD) throw new Error(`${units} WebSockets are open, not ${HELD}`);
  const mib = (added / (HELD - PER_SESSION)) * (1_000 / 2 ** 20);
  return { title: 'memory of 1,000 open WebSockets', by: 'Sallyport', value: once(mib), unit: 'MiB' };
}
