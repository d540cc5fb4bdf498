import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { ADVICE } from '../../src/cli/why/advice.ts';
import { startInstance, type TestInstance } from '../support/instance.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { cli } from './support.ts';

describe('why', () => {
  let upstream: RecordingUpstream;
  let instance: TestInstance;

  beforeAll(async () => {
    upstream = await RecordingUpstream.start();
    instance = await startInstance({
      config: { upstreams: { app: { endpoints: [upstream.origin] }, gone: { endpoints: ['http://127.0.0.1:1'] } } },
      routes: [
        { id: 'open', match: { path: '/open' }, credential: 'none', upstream: 'app' },
        { id: 'gone', match: { path: '/gone' }, credential: 'none', upstream: 'gone' },
        { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] }, upstream: 'app' },
      ],
    });
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const ask = (id: string, ...options: string[]) =>
    cli([
      'why',
      id,
      '--admin-url',
      `http://127.0.0.1:${instance.adminPort}`,
      '--token-file',
      `${instance.file.directory}/admin.token`,
      ...options,
    ]);
  /** Sends a request, and returns its id. */
  async function sent(head: string): Promise<string> {
    const { headers } = await rawRequest(instance.port, head);
    return headers.get('x-request-id') ?? '';
  }
  const get = (path: string, ...headers: string[]) =>
    requestHead('GET', path, ['Host: shop.example.com', 'X-Forwarded-Proto: https', ...headers]);

  test('shows the listener, route, upstream and times of a served request, but no query', async () => {
    const { code, out } = await ask(await sent(get('/open/page?secret=hunter2')));
    expect(code).toBe(0);
    expect(out).toMatch(
      /^Request {4}GET \/open\/page on shop\.example\.com\nReceived {3}\S+Z on listener public, from 127\.0\.0\.1\nRoute {6}open\n(?:Principal .*\n)?Upstream {3}app, started to answer after \d+(?:\.\d)? ms\nAnswer {5}200, after \d+(?:\.\d)? ms\n$/,
    );
    expect(out).not.toContain('hunter2');
  });

  test('shows the rule, the usual cause and the cure of a refused request', async () => {
    const { localGateway } = instance.instance;
    const { sessionId } = await localGateway!.sessions.open({
      subject: 'bob',
      user: {},
      method: 'password',
      device: '-',
    });
    const id = await sent(get('/admin', `Cookie: __Host-sid=${sessionId}`));
    const { out } = await ask(id);
    expect(out).toContain('Route      admin\nPrincipal  user bob\nAnswer     403 route_forbidden: Forbidden, after ');
    expect(out).toContain(`Cause      ${ADVICE.route_forbidden.cause}\nCure       ${ADVICE.route_forbidden.cure}\n`);
    expect(out).not.toContain(sessionId);
    expect(JSON.parse((await ask(id, '--json')).out)).toMatchObject({
      id,
      reason: 'route_forbidden',
      subject: 'bob',
      advice: ADVICE.route_forbidden,
    });
  });

  test('names the upstream that is down, with the error', async () => {
    const { out } = await ask(await sent(get('/gone')));
    expect(out).toContain('Upstream   gone, did not start to answer\nAnswer     502 upstream_connect_failed');
    expect(out).toContain('ECONNREFUSED');
  });

  test('explains bytes that are not a request too', async () => {
    const { out } = await ask(await sent('GET / HTTP/1.1\r\nHost: shop.example.com\r\nBad Header: 1\r\n\r\n'));
    expect(out).toMatch(/^Request {4}could not be read\n/);
    expect(out).toContain('400 request_malformed');
  });

  test('refuses text that is not a request id, and does not print it in a command', async () => {
    const { code, out, err } = await ask(`x"' ; touch /tmp/owned #`);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('is not a request id');
    expect(err).not.toContain('grep');
  });

  test('refers to the log for a request that nobody remembers', async () => {
    const { code, out, err } = await ask('00000000000000000000000000000000');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('remembers this request. Ask the other replicas, or look in the log');
  });
});

describe('the advice', () => {
  const configuration = readFileSync(join(import.meta.dirname, '../../docs/reference/configuration.md'), 'utf8');
  const metrics = readFileSync(join(import.meta.dirname, '../../docs/reference/metrics.md'), 'utf8');
  const spans = Object.entries(ADVICE).flatMap(([reason, { cause, cure }]) =>
    [...`${cause} ${cure}`.matchAll(/`([^`]+)`/g)].map(([, span = '']) => [reason, span] as const),
  );

  test.each(spans.filter(([, span]) => span.startsWith('sallyport ')))(
    'on %s names an existing command: %s',
    (_reason, span) => {
      const names = COMMANDS.map(({ name }) => `sallyport ${name}`);
      expect(names.some((name) => span === name || span.startsWith(`${name} `))).toBe(true);
    },
  );

  test.each(spans.filter(([, span]) => span.startsWith('sallyport_')))(
    'on %s names an existing metric: %s',
    (_reason, span) => {
      expect(metrics).toContain(`\`${span}\``);
    },
  );

  test.each(spans.filter(([, span]) => /^[a-z]+(?:[A-Z][a-z]+)*(?:\.[a-zA-Z]+)*(?:: \w+)?$/.test(span)))(
    'on %s names an existing configuration key: %s',
    (_reason, span) => {
      const key = /([A-Za-z]+)(?:: \w+)?$/.exec(span)?.[1] ?? '';
      expect(configuration.includes(`\`${key}\``) || OTHERS.includes(key)).toBe(true);
    },
  );
});

/** Words in the advice that are not configuration keys: values, and fields of other programs. */
const OTHERS = ['acr', 'auth_time', 'refuse', 'noeviction', 'fault', 'curl', 'prompt', 'refresh_reuse_detected'];
