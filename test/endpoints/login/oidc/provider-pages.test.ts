/** The pages of docs/how-to/providers: each preset has one, and what it shows is valid and fits together. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { redirectUri } from '../../../../src/endpoints/login/oidc/flow/start-login.ts';
import { PRESET_NAMES } from '../../../../src/endpoints/login/oidc/presets.ts';
import { cli } from '../../../cli/support.ts';

const FOLDER = join(import.meta.dirname, '../../../../docs/how-to/providers');
const read = (preset: string) => readFileSync(join(FOLDER, `${preset}.md`), 'utf8');

/** The providers of a configuration, up to its next top-level key. */
const entryOf = (yaml: string): string => /^ {2}oidc:\n([\s\S]*?)^(?=\S)/m.exec(yaml)?.[1] ?? '';

/** Every configuration of a page: the whole one, and the same with each other entry that the page shows. */
function configurationsOf(page: string): readonly string[] {
  const blocks = [...page.matchAll(/^( *)```yaml\n([\s\S]*?)^ *```$/gm)].map(([, indent = '', text = '']) =>
    text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
  const [whole = '', ...entries] = blocks;
  return [whole, ...entries.map((entry) => whole.replace(entryOf(whole), `${entry.replaceAll(/^(?=.)/gm, '    ')}`))];
}

test('each preset has a page, and each page a preset', () => {
  expect(readdirSync(FOLDER).toSorted()).toEqual(PRESET_NAMES.map((name) => `${name}.md`).toSorted());
});

test.each(PRESET_NAMES)('%s: the configurations are valid, without warnings', async (preset) => {
  const configurations = configurationsOf(read(preset));
  expect(configurations[0]).toMatch(/^version: 1$/m);
  for (const yaml of configurations) {
    expect(yaml).toMatch(new RegExp(`^ +preset: ${preset}$`, 'm'));
    const { code, out } = await cli(['validate', '--strict', '--no-files', '-'], { stdin: yaml });
    expect(out).toMatch(/^-: valid, hash [0-9a-f]+, no problems$/m);
    expect(code).toBe(0);
  }
});

test.each(PRESET_NAMES)('%s: the redirect URI to register matches the configuration', (preset) => {
  const page = read(preset);
  const name = /^ +- name: (\S+)$/m.exec(page)?.[1] ?? '';
  const shown = new Set([...page.matchAll(/https:\/\/[\w.]+\/auth\/callback\/[\w-]+/g)].map(([uri]) => uri));
  expect([...shown]).toEqual([redirectUri('https://shop.example.com', '/auth', { callbackPath: `/callback/${name}` })]);
});

test.each(PRESET_NAMES)('%s: the overview page links to it', (preset) => {
  expect(readFileSync(join(FOLDER, '../log-in-with-an-identity-provider.md'), 'utf8')).toContain(
    `(providers/${preset}.md)`,
  );
});
