/**
 * Every block of code in every document is run or checked: by a test of its own where its fence says `recipe=` or where a test
 * reads the page, and by the kind of its language here. One that nothing can check says why in its fence, and is counted.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseJavaScript } from 'acorn';
import { parse as parseToml } from 'smol-toml';
import { compile } from 'svelte/compiler';
import { transformWithOxc } from 'vite';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { allBlocks, allMentions, type Block, blocksOf } from './blocks.ts';
import { commandProblems, isProgram, mentionProblems, urlProblems } from './commands.ts';
import { shellCommands } from './shell.ts';
import { yamlProblems } from './yaml-parts.ts';

const ROOT = join(import.meta.dirname, '../..');
const BLOCKS = allBlocks();
const of = (...languages: string[]) =>
  BLOCKS.filter(
    ({ language, recipe, unchecked }) => languages.includes(language) && recipe === null && unchecked === null,
  );
const titled = (blocks: readonly Block[]) => blocks.map((block) => [`${block.path}:${block.line}`, block] as const);

/** Blocks in these languages are checked here, each by its kind. */
const CHECKED = ['yaml', 'sh', 'console', 'json', 'js', 'jsx', 'svelte', 'html', 'http', 'toml', 'promql'];
/** What a program prints, drawings and help pages: nothing that a reader runs. */
const SHOWN = ['', 'text'];
/** Configurations of other programs that a test of the page gives to that program. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/how-to/move-from-oauth2-proxy.md nginx': 'test/cli/import/side-by-side.test.ts',
};

test('every block has a language that is checked, a recipe, or a reason', () => {
  const loose = BLOCKS.filter(
    ({ path, language, recipe, unchecked }) =>
      ![...CHECKED, ...SHOWN].includes(language) &&
      recipe === null &&
      unchecked === null &&
      !existsSync(join(ROOT, ELSEWHERE[`${path} ${language}`] ?? 'nowhere')),
  );
  expect(loose.map(({ path, line, language }) => `${path}:${line} ${language}`)).toEqual([]);
  expect(BLOCKS.length).toBeGreaterThan(150);
});

test('a recipe is run by a test that names it', () => {
  const tests = globSync('test/**/*.{ts,go,py}', { cwd: ROOT, exclude: ['test/docs/**'] })
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
    .filter((text) => text.includes('recipe'));
  const named = (recipe: string) => tests.some((text) => text.includes(recipe));
  const lost = BLOCKS.filter(({ recipe }) => recipe !== null && !named(recipe));
  expect(lost.map(({ path, recipe }) => `${path} ${recipe}`)).toEqual([]);
});

test('what nothing checks is this much, each with its reason', () => {
  const unchecked = BLOCKS.filter(({ unchecked }) => unchecked !== null);
  expect(unchecked.map(({ path, unchecked }) => `${path}: ${unchecked}`)).toMatchInlineSnapshot(`
    [
      "docs/how-to/authorize-for-envoy.md: MeshConfig has no schema here",
      "docs/how-to/authorize-for-envoy.md: MeshConfig has no schema here",
      "docs/how-to/authorize-for-envoy.md: AuthorizationPolicy of Istio has no schema here",
      "docs/how-to/monitor.md: only Prometheus reads its configuration",
      "docs/how-to/monitor.md: only Alertmanager reads its configuration",
      "docs/how-to/trace-requests.md: only the OpenTelemetry Collector reads its configuration",
    ]
  `);
});

describe('YAML', () => {
  test.each(titled(of('yaml')))('%s is a configuration, an object of Kubernetes, or a part of one', (_title, block) => {
    const documents = parseAllDocuments(block.text);
    expect(documents.flatMap(({ errors }) => errors.map(({ message }) => message))).toEqual([]);
    // test/config/examples.test.ts loads whole configurations.
    if (/^version: 1$/m.test(block.text)) return;
    expect(documents.flatMap((document) => yamlProblems(document.toJS() as object, block.inside))).toEqual([]);
  });

  test.each([
    ['a key that the configuration does not have', { routess: [] }, null],
    ['a value that a key does not take', { upstreams: { a: { endpoints: ['ftp://a'] } } }, null],
    ['an unknown key of a route', { allow: { rolles: ['a'] } }, 'routes[]'],
    ['a field that a Pod does not have', { volumess: [] }, 'pod'],
    ['a value that the chart does not have', { rediss: {} }, 'values'],
    ['a component that is not there', { components: ['../../components/none'] }, 'kustomization'],
  ])('%s is found', (_title, value, inside) => {
    expect(yamlProblems(value, inside)).toHaveLength(1);
  });
});

describe('shell', () => {
  const blocks = of('sh');

  test('every block is a script that a shell can read', () => {
    const script = blocks.map(({ text }, index) => `block_${index}() {\n${text}}\n`).join('');
    const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test.each(titled(blocks))('%s has commands that exist, with options that they have', (_title, { path, text }) => {
    expect(shellCommands(text).flatMap((command) => commandProblems(path, command))).toEqual([]);
  });

  test.each([
    ['an option that does not exist', 'sallyport validate --strickt'],
    ['a command that does not exist', 'sallyport vallidate'],
    ['an option that does not exist, in a container', 'docker run --rm sallyport validate --strickt'],
    ['a command that does not exist, in a Pod', 'kubectl exec deploy/sallyport -- sallyport vallidate'],
    ['a script of npm that does not exist', 'npm run biuld'],
    ['a command of the image that does not exist', 'docker run --rm ghcr.io/sallyport/sallyport:0.1.0 vallidate'],
    ['a program that no page uses', 'frobnicate now'],
    ['an option of another command of Helm', 'helm uninstall sallyport --values shop.yaml'],
    ['a command that the GitHub CLI does not have', 'gh attestation verfy sallyport-0.1.0.tgz --repo a/b'],
    ['a file that no Pod has', 'kubectl exec deploy/sallyport -- sallyport validate /etc/sallyport/sallyport.yaml'],
    ['an option that kubectl does not have', 'kubectl -n shop get pods --namespaze shop'],
    ['a command that kubectl does not have', 'kubectl rollout stattus deployment/sallyport'],
    ['an option of Cosign that is misspelt', 'cosign verify-blob SHA256SUMS --bundel SHA256SUMS.sigstore.json'],
    ['a short option among others that ss does not have', 'ss -Hyn'],
    ['a path that is not there', 'kubectl apply -k k8s/nowhere'],
    ['an endpoint that the gateway does not have', 'curl http://localhost:8080/auth/log-in'],
  ])('%s is found', (_title, script) => {
    expect(shellCommands(script).flatMap((command) => commandProblems('README.md', command))).toHaveLength(1);
  });
});

describe('commands in the prose', () => {
  const commands = allMentions().filter(
    ({ text }) => text.includes(' ') && !text.includes('…') && isProgram(text.split(' ')[0]),
  );

  test('exist, and have the options that they are given', () => {
    expect(commands.length).toBeGreaterThan(200);
    const problems = commands.flatMap(({ path, text }) =>
      shellCommands(text)
        .flatMap((command) => mentionProblems(path, command))
        .map((problem) => `${path}: ${problem}`),
    );
    expect(problems).toEqual([]);
  });

  test.each([
    ['an option that the command does not have', 'sallyport explain --tokken-file'],
    ['a command that does not exist', 'sallyport explian'],
    ['an option of another program', 'kubectl -n shop logs deployment/sallyport --folow'],
  ])('%s is found', (_title, text) => {
    expect(shellCommands(text).flatMap((command) => mentionProblems('README.md', command))).toHaveLength(1);
  });
});

describe('other languages', () => {
  test.each(titled(of('json')))('%s is JSON, whole or line by line', (_title, { text }) => {
    const parts = isJson(text) ? [text] : text.trim().split('\n');
    expect(parts.filter((part) => !isJson(part))).toEqual([]);
  });

  test.each(titled(of('js')))('%s is JavaScript', (_title, { text }) => {
    parseJavaScript(text, { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true });
  });

  test.each(titled(of('jsx')))('%s is JSX', async (_title, { text }) => {
    await transformWithOxc(text, 'block.jsx');
  });

  test.each(titled(of('svelte')))('%s is a component of Svelte', (_title, { text }) => {
    compile(text, {});
  });

  test.each(titled(of('html')))('%s has forms that lead to endpoints of the gateway', (_title, { text }) => {
    const actions = [...text.matchAll(/action="([^"]+)"/g)].map(([, action = '']) => action);
    expect(actions.flatMap((action) => urlProblems(`https://shop.example.com${action}`))).toEqual([]);
  });

  test.each(titled(of('http')))(
    '%s has a request, a status or headers, and only endpoints of the gateway',
    (_title, { text }) => {
      const [start = '', ...rest] = text.slice(0, `${text}\n`.indexOf('\n\n')).trim().split('\n');
      const isHeader = (line: string) => /^[\w-]+: \S/.test(line);
      expect(isHeader(start) || /^(?:[A-Z]+ \/\S*|HTTP\/1\.1 \d{3} .+)$/.test(start)).toBe(true);
      expect(rest.filter((line) => !isHeader(line))).toEqual([]);
      const paths = [...text.matchAll(/^[A-Z]+ (\/[^\s?]*)|url=(\/[^\s?]*)/gm)].map(
        ([, target, refresh]) => target ?? refresh,
      );
      expect(paths.flatMap((path) => urlProblems(`https://shop.example.com${path}`))).toEqual([]);
    },
  );

  test.each(titled(of('promql')))('%s asks for metrics that the gateway has', (_title, { text }) => {
    const known = new Set(readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8').match(/sallyport_\w+/g));
    const asked = text.match(/\bsallyport_\w+/g) ?? [];
    const lost = asked.filter((name) => !known.has(name) && !known.has(name.replace(/_(?:bucket|count|sum)$/, '')));
    expect(lost).toEqual([]);
  });

  test.each(titled(of('toml')))('%s is TOML', (_title, { text }) => {
    expect(Object.keys(parseToml(text)).length).toBeGreaterThan(0);
  });

  test.each(titled(of('console')))(
    '%s begins with a command, whose output a test compares',
    (_title, { path, text }) => {
      expect(text).toMatch(/^\$ sallyport /);
      expect(path).toBe('README.md'); // test/docs.test.ts
    },
  );
});

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('reading blocks', () => {
  test('an indented block loses its indent, and a fence says what it is', () => {
    const markdown =
      '1. Text:\n\n   ```sh recipe=a in=pod unchecked="needs a cluster"\n   one\n     two\n\n   ```\n\n```\nthree\n```\n';
    expect(blocksOf('a.md', markdown)).toEqual([
      {
        path: 'a.md',
        line: 4,
        language: 'sh',
        recipe: 'a',
        inside: 'pod',
        unchecked: 'needs a cluster',
        text: 'one\n  two\n\n',
      },
      { path: 'a.md', line: 10, language: '', recipe: null, inside: null, unchecked: null, text: 'three\n' },
    ]);
  });

  test('a block without an end is an error', () => {
    expect(() => blocksOf('a.md', '```sh\nls\n')).toThrow('a.md:1: the block has no end');
  });

  test.each([
    ['a | b -x "c d" && e', [['a'], ['b', '-x', 'c d'], ['e']]],
    ["A=1 B='2 3' a 'it is' \\\n  more # comment", [['a', 'it is', 'more']]],
    ['a < in > out 2>&1 &\nb', [['a'], ['b']]],
    ['a "$(b c | d)"', [['a', 'SUBSTITUTED'], ['b', 'c'], ['d']]],
    ['a $(b "$(c)")', [['a', 'SUBSTITUTED'], ['b', 'SUBSTITUTED'], ['c']]],
    ['for x in a b; do c "$x"; done', [['c', '$x']]],
  ])('%s has these commands', (script, expected) => {
    expect(shellCommands(script).map(({ program, args }) => [program, ...args])).toEqual(expected);
  });
});
