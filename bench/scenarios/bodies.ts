/** Bodies: small POSTs, and large downloads and uploads, beside the bare relay and nginx. */

import { PUBLIC_ORIGIN } from '../load/gateway.ts';
import { openSessions } from '../load/sessions.ts';
import type { Task } from './client.ts';
import { type Found, requestText, type Scenario, type Stage } from './scenario.ts';
import { type Subject, Turns } from './turns.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CONNECTIONS = 64;

interface Kind {
  readonly title: string;
  readonly bytes: number;
  readonly how: 'post' | 'download' | 'upload';
}

const KINDS: readonly Kind[] = [
  { title: 'POST of 1 KiB', bytes: KIB, how: 'post' },
  { title: 'POST of 16 KiB', bytes: 16 * KIB, how: 'post' },
  { title: 'download of 1 MiB', bytes: MIB, how: 'download' },
  { title: 'download of 100 MiB', bytes: 100 * MIB, how: 'download' },
  { title: 'upload of 1 MiB', bytes: MIB, how: 'upload' },
  { title: 'upload of 100 MiB', bytes: 100 * MIB, how: 'upload' },
];

/** Most CPU time of a 100 MiB download, as a multiple of nginx's. */
const DOWNLOAD_GOAL = 2;

export const bodies: Scenario = { name: 'bodies', title: 'Bodies', run };

async function run(stage: Stage): Promise<Found> {
  const [nginx, relay, gateway] = [await stage.nginx(), await stage.relay(), await stage.gateway('bodies')];
  const [cookie = ''] = await openSessions(gateway.port, 1);
  const headers = { Cookie: cookie, Origin: PUBLIC_ORIGIN };
  const places = [
    { name: 'relay', title: 'bare relay', ...relay },
    { name: 'sallyport', title: 'Sallyport', ...gateway },
    ...(nginx === null ? [] : [{ name: 'nginx', title: 'nginx', ...nginx }]),
  ];
  const figures: Found['figures'][number][] = [];
  const goals: Found['goals'][number][] = [];
  for (const kind of KINDS) {
    const subjects: Subject[] = places.map(({ name, title, child, port }) => ({
      ...{ name, title, pid: child.pid },
      run: (durationMs) => stage.client(taskOf(kind, port, headers, durationMs)),
    }));
    const turns = await Turns.take(subjects, stage.turns);
    const isSmall = kind.how === 'post';
    for (const { name, title } of subjects) {
      const value = isSmall ? turns.cost(name) : inMib(turns.perCpuSec(name));
      const unit = isSmall ? 'CPU µs per request' : 'MiB per CPU second';
      figures.push({ title: kind.title, by: title, value, unit });
    }
    if (nginx !== null) {
      const isGoal = kind.title === 'download of 100 MiB';
      const value = turns.ratio('sallyport', 'nginx');
      goals.push({ title: `${kind.title}: CPU ÷ nginx`, value, unit: '×', ...(isGoal && { atMost: DOWNLOAD_GOAL }) });
    }
  }
  const notes = nginx === null ? ['nginx is not installed.'] : ['nginx checks nothing; Sallyport checks a session.'];
  return { figures, goals, notes };
}

const inMib = ({ min, median, max }: Found['figures'][number]['value']) => ({
  min: min / MIB,
  median: median / MIB,
  max: max / MIB,
});

function taskOf(
  { bytes, how }: Kind,
  port: number,
  headers: Readonly<Record<string, string>>,
  durationMs: number,
): Task {
  if (how === 'post') {
    const requests = [requestText('POST', '/api/orders', headers, 'x'.repeat(bytes))];
    return { do: 'ask', port, requests, connections: CONNECTIONS, durationMs };
  }
  if (how === 'download') {
    return { do: 'download', port, request: requestText('GET', `/api/bytes?count=${bytes}`, headers), durationMs };
  }
  const head = requestText('POST', '/api/upload', { ...headers, 'Content-Length': String(bytes) });
  return { do: 'upload', port, head, bytes, durationMs };
}
