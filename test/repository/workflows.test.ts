/** GitHub workflows, which cannot run here, are valid, pinned, and have no more permissions than they need. */

import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { commandProblems } from '../docs/commands.ts';
import { shellCommands } from '../docs/shell.ts';
import { ACTIONLINT, findProgram } from '../support/programs.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

type Permissions = Readonly<Record<string, 'read' | 'write' | 'none'>>;

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly uses?: string;
  readonly 'runs-on'?: string;
  readonly 'timeout-minutes'?: number;
  readonly 'continue-on-error'?: boolean;
  readonly needs?: string | readonly string[];
  readonly permissions?: Permissions;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly name?: string;
  readonly on?: Readonly<Record<string, unknown>>;
  readonly permissions?: Permissions;
  readonly jobs: Readonly<Record<string, Job>>;
}

const files = globSync('.github/workflows/*.yml', { cwd: ROOT }).toSorted();
const workflows = files.map((file) => ({
  name: basename(file),
  text: read(file),
  workflow: parse(read(file)) as Workflow,
}));
const workflowOf = (file: string) => workflows.find(({ name }) => name === file)!.workflow;
const stepsOf = ({ jobs }: Workflow) => Object.values(jobs).flatMap(({ steps = [] }) => steps);

test('actionlint accepts every workflow', ({ skip }) => {
  const actionlint = findProgram([ACTIONLINT, 'actionlint']);
  if (actionlint === null)
    return skip('actionlint is not installed: it needs Go when test/support/prerequisites.ts runs');
  const { status, stdout } = spawnSync(actionlint, ['-no-color', ...files], { cwd: ROOT, encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

test('there are workflows for tests, code scanning, supply chain, releases and the documentation', () => {
  const names = ['ci.yml', 'codeql.yml', 'release.yml', 'scorecard.yml', 'site.yml'];
  expect(workflows.map(({ name }) => name)).toEqual(names);
});

describe.each(workflows)('$name', ({ text, workflow }) => {
  test('pins every action to a full commit, with its version beside it', () => {
    const used = [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, uses = '']) => uses);
    const isPinned = (uses: string) => /^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(uses) || uses.startsWith('./');
    expect(used.filter((uses) => !isPinned(uses))).toEqual([]);
    expect(used.length).toBeGreaterThan(0);
  });

  test('may only read, unless a job states more', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    const all = Object.values(workflow.jobs).flatMap(({ permissions }) =>
      permissions === undefined ? [] : [permissions],
    );
    for (const permissions of all) expect(permissions['contents']).toBeDefined();
  });

  test('does not persist credentials for later steps', () => {
    const checkouts = stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    for (const checkout of checkouts) expect(checkout.with).toMatchObject({ 'persist-credentials': false });
  });

  test('gives each job a time limit', () => {
    for (const job of Object.values(workflow.jobs)) {
      if (job.uses === undefined) expect(job).toMatchObject({ 'timeout-minutes': expect.any(Number) });
    }
  });

  test('runs existing commands with existing options', () => {
    const scripts = stepsOf(workflow).flatMap(({ run }) => (run === undefined ? [] : [run]));
    const commands = scripts.flatMap((script) => shellCommands(script));
    expect(commands.flatMap((command) => commandProblems('.github/workflows', command))).toEqual([]);
  });

  test('inserts no expression into a script', () => {
    const scripts = stepsOf(workflow).flatMap(({ run }) => (run === undefined ? [] : [run]));
    expect(scripts.filter((script) => /\$\{\{/.test(script))).toEqual([]);
  });
});

describe('workflows that run the code of pull requests', () => {
  const exposed = workflows.filter(({ workflow }) => Object.hasOwn(workflow.on ?? {}, 'pull_request'));

  test('are those for tests and code scanning', () => {
    expect(exposed.map(({ name }) => name)).toEqual(['ci.yml', 'codeql.yml']);
    expect(workflows.filter(({ text }) => /pull_request_target|workflow_run/.test(text))).toEqual([]);
  });

  test.each(exposed)('$name uses no secrets, and may write only code-scanning findings', ({ text, workflow }) => {
    expect(text).not.toMatch(/\bsecrets\b|github\.token|GITHUB_TOKEN/);
    const writes = Object.values(workflow.jobs).flatMap(({ permissions = {} }) =>
      Object.entries(permissions).flatMap(([name, value]) => (value === 'write' ? [name] : [])),
    );
    expect(writes.filter((name) => name !== 'security-events')).toEqual([]);
  });
});

describe('CI', () => {
  const { jobs } = workflowOf('ci.yml');

  test('tests with the oldest and newest Node, each Redis and Valkey, and both processor architectures', () => {
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    const { node, store, runner } = jobs['test']?.strategy?.matrix ?? {};
    expect(node).toEqual([engines.node.replace('>=', ''), read('.nvmrc').split('.')[0]]);
    expect(store?.map((image) => image.replace(/-.*/, ''))).toEqual(['redis:7', 'redis:8', 'valkey/valkey:8']);
    expect(runner?.map((name) => name.endsWith('-arm'))).toEqual([false, true]);
  });

  test('checks types and lint before it tests', () => {
    for (const name of ['test', 'image', 'benchmark']) expect(jobs[name]?.needs).toBe('check');
    expect(jobs['check']?.steps?.at(-1)?.run).toBe('npm run check');
  });

  test('never fails because of a benchmark', () => {
    expect(jobs['benchmark']?.['continue-on-error']).toBe(true);
  });
});

describe('a release', () => {
  const { jobs } = workflowOf('release.yml');
  const needsOf = (name: string): string[] => [jobs[name]?.needs ?? []].flat().flatMap((it) => [it, ...needsOf(it)]);

  test('goes from tests to packages, provenance, image, npm and the release page', () => {
    expect(needsOf('build')).toEqual(['test']);
    expect(needsOf('npm')).toEqual(expect.arrayContaining(['test', 'build', 'provenance', 'image']));
    expect(needsOf('github')).toEqual(expect.arrayContaining(['npm', 'image']));
  });

  const runsOf = (name: string) => (jobs[name]?.steps ?? []).filter(({ run }) => run !== undefined);
  const indexOf = (name: string, isMeant: (step: Step) => boolean) => (jobs[name]?.steps ?? []).findIndex(isMeant);

  test.each(['image', 'chart'])('signs the %s by its pushed digest, without a key', (name) => {
    const [signing] = runsOf(name).filter(({ run }) => run?.startsWith('cosign sign --yes'));
    expect(signing?.run).not.toContain('--key');
    expect(Object.values(signing?.env ?? {})).toEqual([
      expect.stringMatching(/@\$\{\{ steps\.push\.outputs\.digest \}\}$/),
    ]);
    expect(jobs[name]?.permissions).toMatchObject({ 'id-token': 'write', packages: 'write' });
    expect(indexOf(name, (step) => step === signing)).toBeGreaterThan(indexOf(name, ({ id }) => id === 'push'));
  });

  test('signs the checksums of packages, chart and SBOMs, and publishes the signature with them', () => {
    expect(runsOf('build').map(({ run }) => run)).toContain(
      'cd release && sha256sum -- *.tgz *.json chart/*.tgz > SHA256SUMS',
    );
    expect(runsOf('provenance').map(({ run }) => run)).toEqual([
      'cosign sign-blob --yes --bundle SHA256SUMS.sigstore.json release/SHA256SUMS',
    ]);
    const artifacts = (name: string, action: string) =>
      (jobs[name]?.steps ?? []).flatMap((step) => (step.uses?.includes(action) === true ? [step.with] : []));
    expect(artifacts('provenance', 'upload-artifact')).toMatchObject([
      { name: 'signature', path: 'SHA256SUMS.sigstore.json' },
    ]);
    expect(artifacts('github', 'download-artifact')).toEqual([
      { name: 'release', path: 'release' },
      { name: 'signature', path: 'release' },
    ]);
    expect(runsOf('github').at(-1)?.run).toContain('release/*.json release/SHA256SUMS');
  });

  test('can be verified with the documented commands, which name this workflow and version', () => {
    const { repository, version } = JSON.parse(read('package.json')) as {
      repository: { url: string };
      version: string;
    };
    const home = repository.url.replace(/^git\+|\.git$/g, '');
    const page = read('docs/verify-a-release.md');
    const identities = [...page.matchAll(/https:\/\/github\.com\/\S+@refs\/\S+/g)].map(([identity]) => identity);
    expect(new Set(identities)).toEqual(new Set([`${home}/.github/workflows/release.yml@refs/tags/v${version}`]));
    expect(workflowOf('release.yml').on).toEqual({ push: { tags: ['v*.*.*'] } });
    for (const path of ['docs/verify-a-release.md', 'docs/upgrading.md']) {
      const versions = [...read(path).matchAll(/(?:sallyport[:-]|\bv)(\d+\.\d+\.\d+)/g)].map(([, found]) => found);
      expect([path, ...new Set(versions)]).toEqual([path, version]);
    }
  });

  test('is published by jobs that install no dependencies', () => {
    const publishing = Object.entries(jobs).filter(([, { permissions = {} }]) =>
      Object.values(permissions).includes('write'),
    );
    expect(publishing.map(([name]) => name)).toEqual(['provenance', 'image', 'chart', 'npm', 'github']);
    const scripts = publishing.flatMap(([, { steps = [] }]) => steps.flatMap(({ run }) => run ?? []));
    expect(scripts.filter((script) => /npm (?:ci|install|run)|npx/.test(script))).toEqual([]);
  });
});

describe('the documentation', () => {
  const { jobs } = workflowOf('site.yml');

  test('is published only from main, by a job that runs no code of the repository', () => {
    expect(workflowOf('site.yml').on).toMatchObject({ push: { branches: ['main'] } });
    expect(jobs['build']?.permissions).toBeUndefined();
    expect(jobs['publish']?.steps?.map(({ uses }) => uses?.split('@')[0])).toEqual(['actions/deploy-pages']);
  });

  test('is built and tested in a browser for every pull request', () => {
    const runs = workflowOf('ci.yml').jobs['site']?.steps?.flatMap(({ run }) => run ?? []);
    expect(runs).toEqual(expect.arrayContaining(['npm run docs:build', 'npx vitest run test/shipping/site.test.ts']));
  });
});

test('Dependabot updates every kind of dependency', () => {
  const { updates } = parse(read('.github/dependabot.yml')) as {
    updates: { 'package-ecosystem': string; directory?: string; directories?: string[] }[];
  };
  const updated = updates.flatMap(({ 'package-ecosystem': kind, directory, directories = [directory ?? ''] }) =>
    directories.map((it) => `${kind} ${it}`),
  );
  const lockFiles = globSync('{package-lock.json,*/package-lock.json}', { cwd: ROOT }).map(
    (file) => `npm /${file.replace(/\/?package-lock\.json$/, '')}`,
  );
  expect(updated).toEqual(expect.arrayContaining([...lockFiles, 'github-actions /', 'docker /']));
  expect(globSync('{go.mod,*/go.mod}', { cwd: ROOT })).toEqual([]);
});
