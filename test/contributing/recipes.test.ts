/**
 * The recipes of docs/contributing/recipes.md, followed: a section with a key, a finding, a metric and a command are added
 * to a copy of the sources by the edits that the page lists, and by no others.
 */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EDITS, NEW_FILES } from './feature.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/contributing/recipes.md'), 'utf8');
// Outside of node_modules, where Node does not strip types.
const copy = mkdtempSync(join(tmpdir(), 'sallyport-recipes-'));

beforeAll(() => {
  for (const path of ['src', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  for (const [file, text] of Object.entries(NEW_FILES)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  }
  for (const [file, edits] of Object.entries(EDITS)) {
    const edited = edits.reduce(
      (text, { after, insert }) => {
        if (!text.includes(after)) throw new Error(`${file} has no ${JSON.stringify(after)}: update the recipe`);
        return text.replace(after, () => after + insert);
      },
      readFileSync(join(copy, file), 'utf8'),
    );
    writeFileSync(join(copy, file), edited);
  }
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
const sallyport = (...args: string[]) => node(join(copy, 'src/main.ts'), ...args);

/** Writes a configuration and says what `validate` prints about it. */
function validate(greeting: string): string {
  const file = join(copy, 'sallyport.yaml');
  const minimal = readFileSync(join(ROOT, 'config/minimal.yaml'), 'utf8');
  writeFileSync(
    file,
    `${minimal.replace('version: 1\n', `version: 1\ngreeting: ${greeting}\n`)}\nstore: { memory: {} }\n`,
  );
  try {
    return sallyport('validate', '--no-files', file);
  } catch (failed) {
    return String((failed as { stdout: unknown }).stdout);
  }
}

describe('the worked example', () => {
  test('compiles', () => {
    expect(node(join(copy, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', copy)).toBe('');
  }, 180_000);

  test('a key is accepted, checked, and suggested when misspelt', () => {
    expect(validate('{ text: Hello }')).toContain('no problems');
    expect(validate('{ text: "" }')).toContain('greeting.text must not be empty');
    expect(validate('{ txet: Hello }')).toContain('did you mean "text"?');
  });

  test('a finding is reported with its code at its place, and can be accepted', () => {
    expect(validate('{ text: HELLO }')).toMatch(
      /:5:\d+ +warning +greeting\.text is in capitals +\[greeting\/shouting\]/,
    );
    expect(validate('{ text: HELLO }\nacceptWarnings: [greeting/shouting]')).toContain('no problems');
  });

  test('a metric exists from the start, with every value of its labels', () => {
    const script = `
      const { MetricRegistry } = await import('${pathToFileURL(join(copy, 'src/telemetry/registry.ts'))}');
      const { GatewaySeries } = await import('${pathToFileURL(join(copy, 'src/gateway/series.ts'))}');
      const registry = new MetricRegistry();
      new GatewaySeries(registry);
      console.log(await registry.prometheus.metrics());`;
    const text = node('--input-type=module', '--eval', script);
    expect(text).toContain('sallyport_greetings_total{tone="friendly"} 0');
    expect(text).toContain('sallyport_greetings_total{tone="shouting"} 0');
  });

  test('a command runs, has help, and is listed', () => {
    expect(sallyport('greet', 'alice', '--loud')).toBe('WELCOME, ALICE\n');
    expect(sallyport('greet', '--help')).toContain('Usage: sallyport greet NAME [OPTIONS]');
    expect(sallyport('--help')).toContain('greet ');
  });

  test('the page names every file that was edited, and shows the first new file', () => {
    const unnamed = Object.keys(EDITS).filter((file) => !PAGE.includes(`\`${file}\``));
    expect(unnamed).toEqual([]);
    expect(PAGE).toContain('`test/contributing/feature.ts`');
  });
});
