/**
 * Each fault makes its alerts fire, and no others; every panel of the dashboard has data. A real gateway is scraped before and
 * during each fault. `promtool test rules` evaluates the alerts over these scrapes, and a Prometheus server evaluates the
 * dashboard and the runbooks.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GatewayProcess } from '../support/process.ts';
import { RawConnection } from '../support/raw-client.ts';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/until.ts';
import {
  ALERTS,
  ALERTS_PATH,
  DASHBOARD_QUERIES,
  type Query,
  RULES,
  runbookQueries,
  VARIABLE_QUERIES,
} from './files.ts';
import { HAS_PROMETHEUS, PrometheusServer, promtool } from './prometheus.ts';
import { Recording } from './recording.ts';
import { MAX_CONNECTIONS, MonitoredStage } from './stage.ts';

/** The last healthy minute, and the one at which alerts are checked, four minutes after the last scrape. */
const [WELL, LATE] = [10, 35];
/** When a fault is scraped: one that shows in a gauge, one that must recur, one that must happen once and recently. */
const [ONCE, AGAIN, LATELY] = [[11], [21, 26, 31], [31]];

/** A recorded fault. */
interface Fault {
  readonly recording: Recording;
  /** The alerts that fire, and no others. */
  readonly alerts: readonly string[];
  /** Whether alerts about the event loop are checked: in other faults, they depend on the machine that runs the test. */
  readonly isAboutLoop: boolean;
}

const BURN = 'SallyportErrorBudgetBurnsFast';

/** For all recordings, which take seconds on an idle machine. */
const LAST_RESORT_MS = 900_000;

const faults: Fault[] = [];
const directory = mkdtempSync(join(tmpdir(), 'sallyport-monitoring-'));

/**
 * Records a healthy gateway that then has a fault.
 *
 * @param alerts   that must fire
 * @param minutes  at which `happens` runs and the gateway is scraped
 */
async function fault(
  stage: MonitoredStage,
  name: string,
  alerts: readonly string[],
  minutes: readonly number[],
  happens: () => Promise<unknown>,
): Promise<void> {
  await until(
    async () => (await stage.count('token_revocations_age_seconds')) < 5,
    'the feed has caught up with the clocks',
  );
  const recording = new Recording(name, () => stage.scrape(), stage.clocks.wallMs());
  await recording.at(0);
  await stage.many(100, '/open');
  await recording.at(5);
  for (const minute of minutes) {
    await happens();
    await recording.at(minute);
  }
  faults.push({ recording, alerts, isAboutLoop: false });
}

async function dependencies(stage: MonitoredStage): Promise<void> {
  const broken = stage.app.answer;
  await fault(stage, 'one request in three hundred fails', ['SallyportErrorBudgetBurnsSlowly'], ONCE, async () => {
    await stage.many(170, '/open');
    stage.app.answer = (_request, socket) => void socket.end('this is not HTTP\r\n\r\n');
    await stage.get('/open');
    stage.app.answer = broken;
  });

  await stage.stopStock();
  await fault(stage, 'an upstream is down', ['SallyportUpstreamDown', BURN], AGAIN, async () => {
    for (let attempt = 0; attempt < 3; attempt += 1) await stage.callAsService();
  });
  await stage.startStock();
  stage.clocks.advance(31_000);
  await stage.callAsService();

  await fault(stage, 'the feed is silent', ['SallyportFeedStale'], ONCE, async () => {
    stage.proxy.holdAnswersTo('subscribe');
    stage.proxy.blockThoseThatSent('subscribe');
    stage.clocks.advance(120_000);
  });
  stage.proxy.passAnswers();
  stage.proxy.cut();
  await until(async () => (await stage.count('token_revocations_age_seconds')) < 5, 'the feed delivers');

  await stage.redis.cli('CONFIG', 'SET', 'maxmemory', '1');
  await fault(stage, 'Redis is full', ['SallyportStoreRefuses', BURN], AGAIN, async () => {
    for (let attempt = 0; attempt < 3; attempt += 1) expect((await stage.logIn('alice')).status).toBe(503);
  });
  await stage.redis.cli('CONFIG', 'SET', 'maxmemory', '0');

  await fault(stage, 'Redis is gone', ['SallyportStoreDown'], ONCE, () => stage.loseRedis());
  await stage.replaceRedis();

  stage.provider.misbehave('token-broken-connection');
  await fault(stage, 'an identity provider is down', ['SallyportProviderDown', BURN], AGAIN, () => stage.logInThere());
  stage.provider.reform();

  stage.keys.behaviour = (_request, response) => void response.writeHead(500).end();
  await fault(stage, 'the keys of an issuer cannot be fetched', ['SallyportIssuerKeysStale'], AGAIN, async () => {
    stage.clocks.advance(2_000);
    await stage.callAsService('unknown');
  });
  stage.publishKeys();
}

async function files(stage: MonitoredStage): Promise<void> {
  await fault(stage, 'a configuration is refused', ['SallyportReloadFailing'], ONCE, async () => {
    expect(await stage.reload({ isBroken: true })).toBe(422);
  });
  expect(await stage.reload()).toBe(200);

  const soon = ['SallyportCertificateExpiresSoon'];
  await fault(stage, 'a certificate for 90 days has 10 left', soon, ONCE, () => stage.certify(90, 10));
  await stage.certify(90, 60);
  const expires = [...soon, 'SallyportCertificateExpires'];
  await fault(stage, 'a certificate for a year has a day left', expires, ONCE, () => stage.certify(365, 1));
  await stage.certify(6, 3);
  await fault(stage, 'a certificate for six days has three left', [], ONCE, async () => {});

  // A reload with a broken users file is refused; certificates and keys stay as they were.
  const users = ['SallyportFilesUnreadable', 'SallyportReloadFailing'];
  await fault(stage, 'the users file is damaged', users, ONCE, () => stage.spoil('users.yaml', 'users: {'));
  expect(await stage.reload()).toBe(200);

  const keys = ['SallyportFilesUnreadable', 'SallyportSigningKeysUnreadable'];
  const half = join(stage.keyDirectory, 'half.key.json');
  await fault(stage, 'a certificate and a signing key are damaged', keys, ONCE, async () => {
    writeFileSync(half, '{');
    await until(async () => {
      // Repeatedly, because the gateway may have read the old certificate.
      await stage.spoil('grpc.crt', 'half');
      return (await stage.count('tls_certificates_last_read_successful')) === 0;
    }, 'the gateway has read the certificate');
  });
  rmSync(half);
  expect(await stage.reload()).toBe(200);
}

async function load(stage: MonitoredStage): Promise<void> {
  expect(await stage.reload({ maxQueueDelay: '1ms' })).toBe(200);
  await fault(stage, 'the gateway is overloaded', ['SallyportSheddingLoad', BURN], AGAIN, async () => {
    const before = await stage.count('requests_shed_total');
    let sent = 0;
    await until(async () => {
      await stage.overwhelm(100, '/open');
      sent += 100;
      return (await stage.count('requests_shed_total')) - before > sent / 20;
    }, 'more than a few requests are shed');
  });
  expect(await stage.reload()).toBe(200);

  const open: RawConnection[] = [];
  await fault(stage, 'there are too many connections', ['SallyportConnectionsRefused'], AGAIN, async () => {
    const before = await stage.count('connections_refused_total', { reason: 'limit' });
    while (open.length <= MAX_CONNECTIONS) open.push(await RawConnection.open(stage.instance.port));
    open.push(await RawConnection.open(stage.instance.port));
    await until(
      async () => (await stage.count('connections_refused_total', { reason: 'limit' })) > before,
      'connections are refused',
    );
  });
  for (const connection of open) connection.close();
  await until(async () => (await stage.count('open_connections')) < 20, 'they are closed');

  const recording = new Recording('the event loop is blocked', () => stage.scrape(), stage.clocks.wallMs());
  await until(async () => {
    await recording.at(0);
    const [busy, late] = [
      recording.last('sallyport_nodejs_eventloop_utilization_ratio'),
      recording.last('nodejs_eventloop_lag_p99_seconds'),
    ];
    return busy < 0.9 && late < 0.1;
  }, 'the machine is quiet');
  for (let turn = 0; turn < 5; turn += 1) {
    const endMs = performance.now() + 130;
    while (performance.now() < endMs);
    await new Promise((resolve) => setTimeout(resolve));
  }
  await recording.at(11);
  faults.push({ recording, alerts: ['SallyportEventLoopBusy', 'SallyportEventLoopLags'], isAboutLoop: true });
}

async function security(stage: MonitoredStage): Promise<void> {
  const families: unknown[] = [];
  for (let login = 0; login < 7; login += 1) {
    const answer = await stage.logIn('alice', undefined, { refresh: 'native' });
    families.push((JSON.parse(answer.body.toString()) as Record<string, unknown>)['refresh_token']);
  }
  for (const token of families) expect((await stage.refresh(token)).status).toBe(200);
  await fault(stage, 'refresh tokens were stolen', ['SallyportRefreshTokensReused'], ONCE, () =>
    until(async () => {
      await Promise.all(families.map((token) => stage.refresh(token)));
      return (await stage.count('refreshes_total', { result: 'reused' })) >= families.length;
    }, 'the grace is over'),
  );

  await fault(stage, 'passwords are guessed', ['SallyportPasswordsGuessed'], AGAIN, async () => {
    for (let turn = 0; turn < 5; turn += 1)
      await Promise.all(Array.from({ length: 10 }, () => stage.logIn('carol', 'guess')));
  });

  stage.fillAuditDisk();
  const lost = ['SallyportLogLinesLost', 'SallyportAuditUnavailable'];
  await fault(stage, 'the audit file cannot be written', lost, LATELY, async () => {
    // Each is audited as denied, and waits in memory until the buffer overflows.
    while ((await stage.count('log_lines_lost_total')) === 0) await stage.many(300, `/page/${'x'.repeat(8_000)}`);
    expect(await stage.reload({ onAuditFailure: 'refuse' })).toBe(200);
    expect((await stage.logIn('alice')).status).toBe(503);
    expect(await stage.reload({ onAuditFailure: 'serve' })).toBe(200);
  });
  stage.emptyAuditDisk();
}

/** Workers are separate processes, so this needs another gateway. */
async function workers(): Promise<void> {
  await using redis = await RedisServer.start();
  await using gateway = await GatewayProcess.start({
    files: { 'token.secret': 'an-hs256-secret-of-32-bytes-or-more' },
    config: {
      workers: 2,
      store: { redis: { url: redis.url } },
      upstreamToken: { algorithm: 'HS256', secretFile: 'token.secret' },
    },
  });
  const scrape = async () => (await gateway.admin('/metrics')).text();
  const recording = new Recording('workers keep exiting', scrape, Date.now());
  const isProven = () => recording.last('sallyport_token_revocations_age_seconds') < 60;
  await until(async () => {
    await recording.at(0);
    return isProven();
  }, 'the feed of both is proven');
  const children = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8').trim().split(' ');
  for (const pid of children) process.kill(Number(pid), 'SIGKILL');
  await until(async () => {
    await recording.at(31);
    const isReplaced =
      recording.last('sallyport_workers_restarts_total') === 2 && recording.last('sallyport_workers_ready') === 2;
    return isReplaced && isProven();
  }, 'other workers serve');
  faults.push({ recording, alerts: ['SallyportWorkersRestart'], isAboutLoop: false });
}

const PREFIX = 'count by (alertname) (ALERTS{alertstate="firing"';

/** The file for `promtool test rules`. */
function ruleTests() {
  const names = new Set(RULES.flatMap(({ expr }) => expr.match(/[a-z_]+(?:_[a-z0-9]+)+/g) ?? []));
  return {
    rule_files: [ALERTS_PATH],
    evaluation_interval: '1m',
    tests: faults.map(({ recording, alerts, isAboutLoop }) => {
      const firing = `${PREFIX}${isAboutLoop ? '' : ',alertname!~"SallyportEventLoop.*"'}})`;
      return {
        name: recording.name,
        interval: '1m',
        input_series: recording.seriesUntil(LATE, names),
        promql_expr_test: [
          { expr: firing, eval_time: `${WELL}m`, exp_samples: [] },
          {
            expr: firing,
            eval_time: `${LATE}m`,
            exp_samples: alerts.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
          },
        ],
      };
    }),
  };
}

describe.skipIf(!HAS_PROMETHEUS)('with Prometheus (Debian: apt-get install prometheus)', () => {
  beforeAll(async () => {
    await using stage = await MonitoredStage.start();
    const others = workers();
    await fault(stage, 'nothing is wrong', [], ONCE, async () => {
      await stage.goodTraffic();
      await stage.badTraffic();
    });
    await dependencies(stage);
    await files(stage);
    await load(stage);
    await security(stage);
    await others;
    await fault(stage, 'the gateway is gone', ['SallyportAbsent'], ONCE, () => stage.end());
  }, LAST_RESORT_MS);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test('Prometheus accepts the rule file', async () => {
    const { isGood, said } = await promtool('check', 'rules', ALERTS_PATH);
    expect([isGood, said]).toEqual([true, expect.stringContaining(`SUCCESS: ${RULES.length} rules found`)]);
  });

  test('every alert fires for its fault, for no other, and not before', async () => {
    const path = join(directory, 'rules-test.json');
    writeFileSync(path, JSON.stringify(ruleTests()));
    const { isGood, said } = await promtool('test', 'rules', path);
    expect(isGood, said).toBe(true);
    const seen = new Set(faults.flatMap(({ alerts }) => alerts));
    expect(ALERTS.filter(({ alert }) => !seen.has(alert)).map(({ alert }) => alert)).toEqual([]);
  });

  describe('evaluated by a server', () => {
    let prometheus: PrometheusServer;
    let range: { fromSec: number; toSec: number; stepSec: number };
    beforeAll(async () => {
      const scrapes = faults.reduce((sum, { recording }) => sum + recording.scrapeCount, 0);
      const toSec = Math.floor(Date.now() / 1_000);
      range = { fromSec: toSec - 60 * scrapes, toSec, stepSec: 60 };
      const [metrics, blocks, config] = ['metrics.txt', 'blocks', 'prometheus.yml'].map((name) =>
        join(directory, name),
      ) as [string, string, string];
      let text = '';
      let atSec = range.fromSec;
      for (const { recording } of faults) {
        for (const block of recording.openMetrics(atSec)) text += block;
        atSec += 60 * recording.scrapeCount;
      }
      writeFileSync(metrics, `${text}# EOF\n`);
      expect(await promtool('tsdb', 'create-blocks-from', 'openmetrics', metrics, blocks)).toMatchObject({
        isGood: true,
      });
      writeFileSync(config, 'global: {}\n');
      prometheus = await PrometheusServer.start(config, blocks);
    });
    afterAll(() => prometheus[Symbol.asyncDispose]());

    /** As Grafana queries it, with everything selected. */
    const chosen = (expr: string) =>
      expr.replaceAll('$__rate_interval', '4m').replace(/"\$(?:job|namespace|pod|route)"/g, '".*"');
    /** No recording rule has run on these blocks: its expression takes the place of its series. */
    const recorded = (expr: string) =>
      RULES.filter(({ where }) => where.includes(':')).reduce(
        (all, it) => all.replaceAll(it.where, `(${it.expr})`),
        expr,
      );
    const emptyOf = async (queries: readonly Query[]) => {
      const empty: string[] = [];
      for (const { where, expr } of queries) {
        const series = await prometheus.query(chosen(recorded(expr)), range);
        if (!series.some(({ values }) => values.some(([, value]) => Number.isFinite(Number(value)))))
          empty.push(`${where}: ${expr}`);
      }
      return empty;
    };

    test('no panel of the dashboard is empty', async () => {
      expect(await emptyOf(DASHBOARD_QUERIES)).toEqual([]);
    });

    test('every variable of the dashboard has values', async () => {
      for (const { where, expr } of VARIABLE_QUERIES) {
        const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(expr) ?? [];
        expect([where, await prometheus.labelValues(label, chosen(selector), range)]).not.toEqual([where, []]);
      }
    });

    test('every query of a runbook has a result', async () => {
      expect(await emptyOf(runbookQueries())).toEqual([]);
    });

    test('every label that an alert mentions is in its result', async () => {
      for (const { alert, expr, annotations } of ALERTS) {
        const [series] = await prometheus.query(recorded(expr), range);
        const spoken = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label);
        expect([alert, Object.keys(series?.metric ?? {})]).toEqual([alert, expect.arrayContaining(spoken)]);
      }
    });
  });
});
