/** TLS: what a full and a resumed handshake cost, and a warm request over TLS, beside nginx. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TestAuthority } from '../../test/support/issuers/certificates.ts';
import { HOST } from '../load/http.ts';
import { openSessions } from '../load/sessions.ts';
import type { Task } from './client.ts';
import { type Found, requestText, type Scenario, type Stage } from './scenario.ts';
import { type Subject, Turns } from './turns.ts';

const CONNECTIONS = 64;

export const tls: Scenario = { name: 'tls', title: 'TLS', run };

async function run(stage: Stage): Promise<Found> {
  const authority = new TestAuthority();
  const { certificate, key } = authority.issue({ names: [HOST] });
  const [certificateFile, keyFile] = [join(stage.directory, 'tls.pem'), join(stage.directory, 'tls.key')];
  await writeFile(certificateFile, certificate);
  await writeFile(keyFile, key, { mode: 0o600 });
  const plain = await stage.gateway('plain');
  const [cookie = ''] = await openSessions(plain.port, 1);
  const own = { certificates: [{ certFile: certificateFile, keyFile }] };
  const secure = await stage.gateway('secure', { listener: { tls: own, http2: false } });
  const nginx = await stage.nginx({ certificateFile, keyFile });
  const request = requestText('GET', '/api/orders', { Cookie: cookie });
  const over = { servername: HOST, ca: authority.certificate };
  const ask = (port: number, isSecure: boolean) => (durationMs: number) => {
    const task: Task = { do: 'ask', port, requests: [request], connections: CONNECTIONS, durationMs };
    return stage.client(isSecure ? { ...task, tls: over } : task);
  };
  const warm: Subject[] = [
    { name: 'plain', title: 'Sallyport, without TLS', pid: plain.child.pid, run: ask(plain.port, false) },
    { name: 'sallyport', title: 'Sallyport', pid: secure.child.pid, run: ask(secure.port, true) },
  ];
  if (nginx !== null) warm.push({ name: 'nginx', title: 'nginx', pid: nginx.child.pid, run: ask(nginx.port, true) });
  const secured = warm.filter(({ name }) => name !== 'plain');
  const ports = { sallyport: secure.port, ...(nginx !== null && { nginx: nginx.port }) } as Record<string, number>;
  const figures: Found['figures'][number][] = [];
  const goals: Found['goals'][number][] = [];
  const requests = await Turns.take(warm, stage.turns);
  for (const { name, title: by } of warm) {
    figures.push({ title: 'warm request', by, value: requests.cost(name), unit: 'CPU µs' });
  }
  goals.push({ title: 'warm request: TLS ÷ plain', value: requests.ratio('sallyport', 'plain'), unit: '×' });
  for (const [title, resumes] of [
    ['full handshake and a request', false],
    ['resumed handshake and a request', true],
  ] as const) {
    const subjects = secured.map((subject) => ({
      ...subject,
      run: (durationMs: number) =>
        stage.client({
          do: 'handshakes',
          port: ports[subject.name] as number,
          tls: over,
          request,
          resumes,
          durationMs,
        }),
    }));
    const turns = await Turns.take(subjects, stage.turns);
    for (const { name, title: by } of subjects) figures.push({ title, by, value: turns.cost(name), unit: 'CPU µs' });
    if (nginx !== null) {
      goals.push({ title: `${title}: CPU ÷ nginx`, value: turns.ratio('sallyport', 'nginx'), unit: '×' });
    }
  }
  return { figures, goals, notes: ['TLS 1.3, ECDSA P-256. A handshake includes the connection and one request.'] };
}
