/** A reload reads what a start does, without holding up the event loop. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/gateway/configuration/load.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { readFiles } from '../../src/process/read.ts';
import { readAgain } from '../../src/process/read-again.ts';
import { temporaryDirectory } from '../cli/support.ts';
import { testConfig } from '../support/gateway.ts';

const routes = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `r${index}`,
    match: { path: `/services/${index}` },
    credential: index % 2 === 0 ? 'none' : 'session',
  }));

async function both(count: number, more: Record<string, unknown> = {}) {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'bad.pem'), 'not a certificate');
  const text = stringify(testConfig({ routes: routes(count), config: more }));
  const options = { path: join(directory, 'sallyport.yaml'), cwd: directory, env: {} };
  const inline = await readFiles(loadConfig(text, options), systemClocks);
  const inUse = loadConfig(stringify(testConfig({})), options).loaded?.config;
  if (inUse === undefined) throw new Error('the fixture is not valid');
  return { inline, again: await readAgain({ text, options }, systemClocks, inUse) };
}

describe.each([10, 150])('R10: %i routes read for a reload', (count) => {
  test('yield the same as at startup', async () => {
    const { inline, again } = await both(count);
    expect(again.loaded?.hash).toBe(inline.loaded?.hash);
    expect(again.loaded?.config).toEqual(inline.loaded?.config);
    expect(again.loaded?.effective).toEqual(inline.loaded?.effective);
    expect(again.loaded?.watched).toEqual(inline.loaded?.watched);
    expect(again.files).toEqual(inline.files);
  });

  test('have the same mistakes in the same places, in the text and in named files', async () => {
    const upstreams = { app: { endpoints: ['https://127.0.0.1:9'], tls: { caFile: 'bad.pem' } } };
    const onlyFiles = await both(count, { upstreams });
    expect(onlyFiles.inline.problems.some(({ code }) => code === 'config/file')).toBe(true);
    expect(onlyFiles.again).toMatchObject({ loaded: null, problems: onlyFiles.inline.problems });
    const inText = await both(count, { upstreams, bogus: 1 });
    expect(inText.inline.problems.map(({ code }) => code)).toContain('config/unknown-key');
    expect(inText.again).toMatchObject({ loaded: null, problems: inText.inline.problems });
  });
});

/** The minimum counts: garbage collection falls into some of the others. */
const ATTEMPTS = 5;
/** Processor time of this thread, which does not depend on what else the machine does. */
function sinceUs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return user + system;
}

const badFile = { upstreams: { app: { endpoints: ['https://127.0.0.1:9'], tls: { caFile: 'bad.pem' } } } };

test.each([
  ['a short configuration', 1, {}],
  ['a long configuration', 1_500, {}],
  ['a long configuration that names a bad file', 1_500, badFile],
])('R10: %s is read for a reload off the event loop', async (_what, count, more) => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, 'bad.pem'), 'not a certificate');
  const text = stringify(testConfig({ routes: routes(count), config: more }));
  const options = { path: join(cwd, 'sallyport.yaml'), cwd, env: {} };
  const inUse = loadConfig(stringify(testConfig({})), options).loaded?.config;
  if (inUse === undefined) throw new Error('the fixture is not valid');
  const [onLoopUs, inlineUs]: [number[], number[]] = [[], []];
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    let before = process.threadCpuUsage();
    const { loaded } = await readAgain({ text, options }, systemClocks, inUse);
    onLoopUs.push(sinceUs(before));
    expect(loaded?.config.routes.length ?? null).toBe(more === badFile ? null : count);
    before = process.threadCpuUsage();
    loadConfig(text, options);
    inlineUs.push(sinceUs(before));
  }
  expect(Math.min(...onLoopUs)).toBeLessThan(Math.min(...inlineUs));
});
