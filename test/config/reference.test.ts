import { describe, expect, test } from 'vitest';
import { generatedFiles } from '../../scripts/generate.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { alternativesOf, entriesOf, shapeOf, unwrap } from '../../src/config/walk.ts';
import { REASONS } from '../../src/errors.ts';
import { configSchema } from '../../src/gateway/configuration/schema.ts';

const files = await generatedFiles();
const page = (name: string) => files[`docs/reference/${name}.md`] ?? '';

test('the same sources give the same bytes', async () => {
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
  // Forms of `roles` and `scopes`, explained with them.
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

describe('nothing is left out', () => {
  test('reasons', () => {
    for (const reason of Object.keys(REASONS)) expect(page('reasons')).toContain(`\`${reason}\``);
  });
  test('commands', () => {
    for (const { name } of COMMANDS) expect(page('cli')).toContain(`## ${name}\n`);
  });
  test('metrics have labels and a meaning', () => {
    const rows = page('metrics')
      .split('\n')
      .filter((line) => line.startsWith('| `sallyport_'));
    expect(rows.length).toBeGreaterThan(30);
    for (const row of rows) expect(row).toMatch(/\| .*[\w)]\. \|$/);
  });
});

test('keys that need a restart say so', () => {
  expect(page('configuration')).toMatch(/\| `keyPrefix` \|.*\*Restart\.\* \|/);
  expect(page('configuration')).not.toMatch(/\| `idleTimeout` \|.*\*Restart\.\* \|/);
});
