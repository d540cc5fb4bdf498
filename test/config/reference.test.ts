import { describe, expect, test } from 'vitest';
import { generatedFiles } from '../../scripts/generate.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { alternativesOf, entriesOf, shapeOf, unwrap } from '../../src/config/walk.ts';
import { REASONS } from '../../src/errors.ts';
import { configSchema } from '../../src/gateway/configuration/schema.ts';

const files = await generatedFiles();
const page = (name: string) => files[`docs/reference/${name}.md`] ?? '';

test('generating twice gives the same bytes', async () => {
  expect(await generatedFiles()).toEqual(files);
});

test('every key of the configuration has a description', () => {
  const missing: string[] = [];
  const visit = (outer: Parameters<typeof unwrap>[0], path: string) => {
    for (const schema of alternativesOf(unwrap(outer).schema)) {
      for (const [key, child] of Object.entries(shapeOf(schema) ?? {})) {
        const { meta } = unwrap(child);
        if ((meta.description ?? '') === '') missing.push(`${path}.${key}`);
        visit(child, `${path}.${key}`);
      }
      const entries = entriesOf(schema);
      if (entries !== null) visit(entries, `${path}[]`);
    }
  };
  visit(configSchema({ baseDir: '/', fileProblem: () => null }), '');
  // The descriptions of `roles` and `scopes` explain these forms of them.
  expect(missing.filter((path) => !/\.(?:any|all)$/.test(path))).toEqual([]);
});

test('every link inside the configuration page leads to a section', () => {
  const anchors = new Set(
    [...page('configuration').matchAll(/^## (.+)$/gm)].map(([, title = '']) =>
      title.toLowerCase().replaceAll(/[^a-z0-9-]/g, ''),
    ),
  );
  const links = [...page('configuration').matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor]) => anchor);
  expect(links.length).toBeGreaterThan(20);
  expect(links.filter((anchor) => !anchors.has(anchor ?? ''))).toEqual([]);
});

describe('the reference pages', () => {
  test('list every reason', () => {
    for (const reason of Object.keys(REASONS)) expect(page('reasons')).toContain(`\`${reason}\``);
  });
  test('list every command', () => {
    for (const { name } of COMMANDS) expect(page('cli')).toContain(`## ${name}\n`);
  });
  test('describe every metric and its labels', () => {
    const rows = page('metrics')
      .split('\n')
      .filter((line) => line.startsWith('| `sallyport_'));
    expect(rows.length).toBeGreaterThan(30);
    for (const row of rows) expect(row).toMatch(/\| .*[\w)]\. \|$/);
  });
});

test('the configuration page marks keys that need a restart', () => {
  expect(page('configuration')).toMatch(/\| `keyPrefix` \|.*\*Restart\.\* \|/);
  expect(page('configuration')).not.toMatch(/\| `idleTimeout` \|.*\*Restart\.\* \|/);
});
