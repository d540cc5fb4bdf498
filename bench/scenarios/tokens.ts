/** The token endpoint: an exchange, client credentials, and a refresh. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Received } from '../load/answer.ts';
import { BACKEND, PUBLIC_ORIGIN } from '../load/gateway.ts';
import { get, postJson } from '../load/http.ts';
import { openSessions } from '../load/sessions.ts';
import { type Found, requestText, type Scenario, type Stage } from './scenario.ts';
import { type Done, type Subject, Turns } from './turns.ts';

const CONNECTIONS = 64;
const CLIENT = 'orders';
const SECRET = 'another-secret-of-the-benchmark-and-nobody-else';
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
/** Refresh tokens of a round: each is used once. */
const REFRESHES = 500;
/** Sessions that are opened at the same time: one after another, each waits for its turn on a busy machine. */
const OPENED_AT_ONCE = 20;
/** The shortest: a token that is younger is not replaced. */
const GRACE = '1s';
const GRACE_MS = 1_500;
const UNLIMITED = 100_000;

export const tokens: Scenario = { name: 'tokens', title: 'Token endpoint', run };

const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

async function run(stage: Stage): Promise<Found> {
  const scopes = { stock: { scopes: ['stock:read'] } };
  const secretFile = join(stage.directory, 'client-secret');
  await writeFile(secretFile, SECRET, { mode: 0o600 });
  const client = { clientSecretFile: secretFile, exchange: scopes, serviceTokens: scopes };
  const limits = { requestsPerSecond: UNLIMITED, burst: UNLIMITED };
  const sections = {
    tokenEndpoint: { clients: { [CLIENT]: client }, limits },
    refresh: { clients: ['native'], grace: GRACE },
  };
  const { child, port } = await stage.gateway('tokens', { sections });
  const [cookie = ''] = await openSessions(port, 1);
  const families = await openFamilies(port, (stage.turns.rounds + 1) * REFRESHES);
  await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
  const ask = (requests: readonly string[], durationMs?: number) => {
    const forSome = durationMs === undefined ? {} : { durationMs };
    return stage.client({ do: 'ask', port, requests, connections: CONNECTIONS, ...forSome });
  };
  const subjects = subjectsOf(ask, port, cookie, families).map((subject) => ({ ...subject, pid: child.pid }));
  const turns = await Turns.take(subjects, stage.turns);
  const figures = subjects.map(({ name, title }) => {
    return { title, by: 'Sallyport', value: turns.cost(name), unit: 'CPU µs' };
  });
  const goals = subjects.slice(1).map(({ name, title }) => {
    return { title: `${title} ÷ warm request`, value: turns.ratio(name, 'warm'), unit: '×' };
  });
  return { figures, goals, notes: ['Each signs a token (ES256) and authenticates its client.'] };
}

/** The requests to compare. Each refresh takes its tokens off `families`. */
function subjectsOf(
  ask: (requests: readonly string[], durationMs?: number) => Promise<Done>,
  port: number,
  cookie: string,
  families: string[],
): readonly Omit<Subject, 'pid'>[] {
  const headers = { ...FORM, Authorization: basic(CLIENT, SECRET) };
  const post = (grant: Readonly<Record<string, string>>) =>
    requestText('POST', '/auth/token', headers, `${new URLSearchParams(grant)}`);
  return [
    {
      ...{ name: 'warm', title: 'warm request, for comparison' },
      run: (durationMs) => ask([requestText('GET', '/api/orders', { Cookie: cookie })], durationMs),
    },
    {
      ...{ name: 'exchange', title: 'token exchange' },
      run: async (durationMs) => {
        const received = JSON.parse((await get(port, '/api/inspect', { cookie })).body) as Received;
        const authorization = received.headers.find((text) => text.startsWith('Bearer '));
        const grant = {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          subject_token: authorization?.slice('Bearer '.length) ?? '',
          audience: 'stock',
        };
        return ask([post(grant)], durationMs);
      },
    },
    {
      ...{ name: 'credentials', title: 'client credentials' },
      run: (durationMs) => ask([post({ grant_type: 'client_credentials', audience: 'stock' })], durationMs),
    },
    {
      ...{ name: 'refresh', title: 'refresh, with rotation in Redis' },
      run: () => ask(families.splice(0, REFRESHES)),
      // Each token is there once.
      warmUps: 1,
    },
  ];
}

/** Requests that each refresh the token of another session. */
async function openFamilies(port: number, count: number): Promise<string[]> {
  const requests: string[] = [];
  while (requests.length < count) {
    const some = Array.from({ length: Math.min(OPENED_AT_ONCE, count - requests.length) }, (_, at) =>
      openFamily(port, `user-${requests.length + at}`),
    );
    requests.push(...(await Promise.all(some)));
  }
  return requests;
}

async function openFamily(port: number, subject: string): Promise<string> {
  const login = { subject, user: { roles: ['customer'] }, refresh: 'native' };
  const { status, body } = await postJson(port, '/auth/sessions', login, {
    authorization: basic(BACKEND.id, BACKEND.secret),
  });
  const { tokens: issued } = JSON.parse(body) as { tokens?: { refresh_token?: string } };
  if (issued?.refresh_token === undefined) throw new Error(`no refresh token at ${PUBLIC_ORIGIN}: ${status} ${body}`);
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: issued.refresh_token });
  return requestText('POST', '/auth/refresh', FORM, `${form}`);
}
