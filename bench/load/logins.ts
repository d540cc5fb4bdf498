/**
 * What logins at an identity provider cost those who are logged in, and what a flood of them costs those who log in: one gateway with
 * a real Redis, a provider that costs next to nothing (servers/provider.ts), and in turns with quiet:
 *
 * - 500 tabs of one browser at once, on six connections, as browsers do;
 * - the same on as many connections, which no browser opens;
 * - 200 logins a second from as many browsers and addresses, to the end;
 * - 1,000 navigations a second that nobody continues, with 10 logins a second of honest people beside them;
 * - the same, but each begins a login, so that the store has to keep it.
 *
 *     node bench/load/logins.ts [--rounds 3] [--seconds 4] [--rate 500] [--only 'one browser']
 *
 * Takes about two minutes. Needs `redis-server`. The gateway has one core; Redis, provider, upstream and load share the other.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RedisServer } from '../../test/support/redis.ts';
import { Children, pinSelf } from '../support/children.ts';
import { residentBytes } from '../support/process-figures.ts';
import { percentile } from '../support/statistics.ts';
import { formatTable } from '../support/table.ts';
import { type RunningGateway, startGateway } from './gateway.ts';
import { Browser } from './login-browser.ts';
import { createServiceIssuer, openSessions } from './sessions.ts';
import { type Attack, COLUMNS, preferred, SteadyTraffic } from './steady.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    rate: { type: 'string', default: '500' },
    only: { type: 'string', default: '' },
  },
});

const TABS = 500;
const LOGINS_PER_SEC = 200;
const FLOOD_PER_SEC = 1_000;
const HONEST_PER_SEC = 10;
/** After a turn, how long for answers that are still due. */
const UNANSWERED_MS = 5_000;
/** Each turn needs as many before the next turn begins. */
const SESSIONS = 64;

/** Connections that a browser opens to one origin over HTTP/1.1. */
const CONNECTIONS_PER_BROWSER = 6;

/** Does something so many times a second until it is stopped, and records the outcomes. */
function every(perSec: number, act: () => Promise<boolean>) {
  const done = { asked: 0, good: 0, tookMs: [] as number[] };
  const pending = new Set<Promise<void>>();
  const beganMs = performance.now();
  const timer = setInterval(() => {
    for (; done.asked < ((performance.now() - beganMs) / 1_000) * perSec; done.asked += 1) {
      const startedMs = performance.now();
      const one = act().then(
        (isGood) => {
          if (!isGood) return;
          done.good += 1;
          done.tookMs.push(performance.now() - startedMs);
        },
        () => {},
      );
      pending.add(one);
      void one.finally(() => pending.delete(one));
    }
  }, 1);
  return async () => {
    clearInterval(timer);
    await Promise.race([Promise.all(pending), sleep(UNANSWERED_MS)]);
    return done;
  };
}

const described = ({ asked, good, tookMs }: { asked: number; good: number; tookMs: readonly number[] }) =>
  `${good} of ${asked} logged in, p99 ${percentile(
    tookMs.toSorted((a, b) => a - b),
    99,
  ).toFixed(0)} ms`;

/** A flood, and honest people beside it. */
const flood = (port: number, name: string, act: () => Promise<boolean>): Attack => ({
  name,
  begin: async () => {
    const stopHonest = every(HONEST_PER_SEC, () => new Browser(port).logIn('/api/orders'));
    const stopFlood = every(FLOOD_PER_SEC, act);
    return async () => {
      const [honest, flooded] = await Promise.all([stopHonest(), stopFlood()]);
      return `${described(honest)}; ${flooded.good} of ${flooded.asked} of the flood answered`;
    };
  },
});

/** Tabs of one browser that all log in at once. */
const tabs = (port: number, name: string, connections: number): Attack => ({
  name: `${TABS} tabs of one browser at once, ${name}`,
  begin: async () => {
    const own = new Agent({ keepAlive: true, maxSockets: connections });
    const browser = new Browser(port, own);
    await browser.navigate('/auth/login?provider=corporate');
    let good = 0;
    const all = Array.from({ length: TABS }, async (_, tab) => {
      if (await browser.logIn(`/api/orders?tab=${tab}`).catch(() => false)) good += 1;
    });
    return async () => {
      await Promise.race([Promise.all(all), sleep(UNANSWERED_MS)]);
      own.destroy();
      return `${good} of ${TABS} shown at once`;
    };
  },
});

const attacksOn = (port: number): Attack[] => [
  tabs(port, `on ${CONNECTIONS_PER_BROWSER} connections`, CONNECTIONS_PER_BROWSER),
  tabs(port, `on ${TABS} connections`, TABS),
  {
    name: `${LOGINS_PER_SEC} logins/s of as many browsers`,
    begin: async () => {
      const stop = every(LOGINS_PER_SEC, () => new Browser(port).logIn('/api/orders'));
      return async () => described(await stop());
    },
  },
  flood(port, `${FLOOD_PER_SEC} navigations/s without a login`, async () => {
    return (await new Browser(port).navigate('/api/orders')).status === 302;
  }),
  flood(port, `${FLOOD_PER_SEC} logins/s begun`, async () => {
    const browser = new Browser(port);
    browser.inventCookie();
    const { headers } = await browser.navigate('/auth/login?provider=corporate&return_to=%2F');
    return headers.location?.startsWith('http://') === true;
  }),
];

async function run(children: Children, gateway: RunningGateway, redis: RedisServer): Promise<void> {
  const { rounds, seconds, rate } = values;
  const cookies = await openSessions(gateway.port, SESSIONS);
  const settings = { rounds: Number(rounds), seconds: Number(seconds), rate: Number(rate) };
  const traffic = await SteadyTraffic.start(children, gateway, cookies, settings);
  const mebibytes = () => ((residentBytes(gateway.child.pid) ?? Number.NaN) / 2 ** 20).toFixed(0);
  const inRedis = async () =>
    `${/keys=(\d+)/.exec(await redis.cli('INFO', 'keyspace'))?.[1]} keys, ${
      /used_memory_human:(\S+)/.exec(await redis.cli('INFO', 'memory'))?.[1]
    }`;
  const rows: string[][] = [];
  for (const attack of attacksOn(gateway.port).filter(({ name }) => name.includes(values.only))) {
    const row = await traffic.compared(attack);
    rows.push([...row, `${mebibytes()} MiB`, await inRedis()]);
  }
  console.log(`${rate} requests/s of people who are logged in; ${rounds} rounds of ${seconds} s each way`);
  console.log(formatTable([...COLUMNS, 'gateway', 'Redis'], rows));
}

pinSelf(1);
using children = new Children();
const redis = await RedisServer.start();
const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  const start = async (name: string) => {
    const child = children.node([fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url))]);
    const { port } = await child.ask<{ port: number }>();
    preferred(child.pid);
    return port;
  };
  const gateway = await startGateway(
    children,
    directory,
    {
      upstreamPort: await start('upstream'),
      redisUrl: redis.url,
      accessLog: 'all',
      jwks: (await createServiceIssuer()).jwks,
      // Browsers come from addresses of their own.
      listener: { trustedProxies: ['127.0.0.1'] },
      provider: {
        name: 'corporate',
        issuer: `http://127.0.0.1:${await start('provider')}`,
        clientId: 'shop',
        roles: 'roles',
      },
    },
    { core: 0 },
  );
  await run(children, gateway, redis);
} finally {
  await redis[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
}
process.exit(0);
