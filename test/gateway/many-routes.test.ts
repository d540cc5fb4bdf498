import { expect, test } from 'vitest';
import { load, MINIMAL } from '../config/support.ts';
import { HOST, startGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const pathOf = (n: number) => `/s${n % 100}/p${n}`;
const numbers = Array.from({ length: 10_000 }, (_, n) => n);

test('CFG-07: 10,000 routes load, and the unreachable one is found', () => {
  const routes = numbers.map(
    (n) => `  - { id: r${n}, match: { path: ${pathOf(n)} }, credential: none, upstream: app }`,
  );
  const lost = ['exactPath: /lost', 'path: "/lost/*"', 'path: /lost'].map(
    (match, n) => `  - { id: lost${n}, match: { ${match} }, credential: none, upstream: app }`,
  );
  const { loaded, problems } = load(`${MINIMAL}${[...routes, ...lost].join('\n')}\n`);
  expect(loaded?.config.routes).toHaveLength(10_004);
  expect(problems).toMatchObject([{ code: 'routes/unreachable', line: 10_009 }]);
});

test('CFG-07: 10,000 routes are served, and nothing else', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({
    upstream: upstream.origin,
    routes: numbers.map((n) => ({ id: `r${n}`, match: { path: pathOf(n) }, credential: 'none' })),
  });
  for (const n of [0, 99, 5_000, 9_999]) {
    expect((await rawRequest(gateway.port, requestHead('GET', pathOf(n), [HOST]))).status).toBe(200);
    expect(gateway.log.records.at(-1)).toMatchObject({ route: `r${n}` });
  }
  for (const path of ['/s1/p0', '/s0/p10000', '/'])
    expect((await rawRequest(gateway.port, requestHead('GET', path, [HOST]))).status).toBe(404);
});
