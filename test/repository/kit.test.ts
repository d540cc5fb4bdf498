/** Owners, templates and editor settings for contributors agree with the repository. */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly scripts: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly repository: { readonly url: string };
  readonly bugs: string;
  readonly homepage: string;
};
const HOME = manifest.bugs.replace(/\/issues$/, '');

test('every path in CODEOWNERS exists', () => {
  const paths = read('.github/CODEOWNERS')
    .split('\n')
    .filter((line) => line.startsWith('/'))
    .map((line) => line.split(/\s+/)[0] ?? '');
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  expect(paths).toEqual(
    expect.arrayContaining(['/src/sanitize/', '/src/authentication/', '/src/jwt/', '/src/store/redis/data/']),
  );
});

describe.each(['bug', 'config-problem'].map((name) => `.github/ISSUE_TEMPLATE/${name}.yml`))('%s', (file) => {
  const form = parse(read(file)) as {
    name: string;
    description: string;
    body: { type: string; id?: string; attributes: { label?: string; value?: string } }[];
  };

  test('is a form that GitHub accepts', () => {
    expect(form).toMatchObject({ name: expect.any(String), description: expect.any(String) });
    for (const { type, id, attributes } of form.body) {
      expect(['markdown', 'textarea', 'input']).toContain(type);
      if (type === 'markdown') expect(attributes.value).toEqual(expect.any(String));
      else expect([id, attributes.label]).toEqual([expect.stringMatching(/^[a-z-]+$/), expect.any(String)]);
    }
    const ids = form.body.flatMap(({ id }) => id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('asks for the version, and to remove secrets', () => {
    expect(read(file)).toMatch(/remove secrets/);
    expect(form.body.map(({ id }) => id)).toContain('version');
  });
});

test('package.json, the templates and the documents name the same repository', () => {
  expect(manifest.repository.url).toBe(`git+${HOME}.git`);
  expect(manifest.homepage).toBe(`${HOME}#readme`);
  const named = globSync(['.github/ISSUE_TEMPLATE/*.yml', '{CHANGELOG,README,SECURITY,RELEASE}.md'], { cwd: ROOT })
    .flatMap((file) => [...read(file).matchAll(/https:\/\/github\.com\/[\w-]+\/sallyport\b/g)])
    .map(([url]) => url);
  expect(new Set(named)).toEqual(new Set([HOME]));
});

test('.nvmrc and the devcontainer use the Node version of devDependencies', () => {
  const version = manifest.devDependencies['node'];
  expect(read('.nvmrc').trim()).toBe(version);
  const { image } = JSON.parse(read('.devcontainer/devcontainer.json')) as { image: string };
  expect(image).toBe(`node:${version}-trixie`);
});

test('the editor settings name existing programs and configurations', () => {
  const { configurations } = JSON.parse(read('.vscode/launch.json')) as { configurations: Record<string, string>[] };
  const programs = configurations.map(({ program = '' }) => program.replace('${workspaceFolder}/', ''));
  expect(programs.filter((path) => !path.startsWith('node_modules/') && !existsSync(join(ROOT, path)))).toEqual([]);
  expect(programs).toContain('src/main.ts');

  const settings = JSON.parse(read('.vscode/settings.json')) as { 'yaml.schemas': Record<string, string[]> };
  for (const [schema, globs] of Object.entries(settings['yaml.schemas'])) {
    expect(existsSync(join(ROOT, schema))).toBe(true);
    for (const glob of globs) expect(globSync(glob, { cwd: ROOT }).length, glob).toBeGreaterThan(0);
  }
});

test('every npm script that a document names exists', () => {
  const documents = globSync('{*.md,docs/**/*.md,bench/*.md,.github/*.md}', { cwd: ROOT });
  const missing = documents.flatMap((file) =>
    [...read(file).matchAll(/\bnpm run (?:-s )?([\w:-]+)/g)]
      .map(([, script = '']) => script)
      .filter((script) => !Object.hasOwn(manifest.scripts, script))
      .map((script) => `${file}: npm run ${script}`),
  );
  expect(missing).toEqual([]);
});

test('the changelog has a section for unreleased changes', () => {
  expect(read('CHANGELOG.md')).toMatch(/^## \[Unreleased\]$/m);
});
