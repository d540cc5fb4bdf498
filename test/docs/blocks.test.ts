/**
 * Every code block in every document is run or checked: by a test of its own if its fence says `recipe=` or a test reads the
 * page, and otherwise here, by its language. A block that cannot be checked says why in its fence, and is listed here.
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

/** Blocks in these languages are checked here. */
const CHECKED = ['yaml', 'sh', 'console', 'json', 'js', 'jsx', 'svelte', 'html', 'http', 'toml', 'promql'];
/** Output, drawings and help pages, which no reader runs. */
const SHOWN = ['', 'text'];
/** Configurations of other programs that another test loads into that program. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/how-to/move-from-oauth2-proxy.md nginx': 'test/cli/import/side-by-side.test.ts',
};

test('every block has a checked language, a recipe or a reason', () => {
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

test('a test names every recipe', () => {
  const tests = globSync('test/**/*.{ts,go,py}', { cwd: ROOT, exclude: ['test/docs/**'] })
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
    .filter((text) => text.includes('recipe'));
  const named = (recipe: string) => tests.some((text) => text.includes(recipe));
  const lost = BLOCKS.filter(({ recipe }) => recipe !== null && !named(recipe));
  expect(lost.map(({ path, recipe }) => `${path} ${recipe}`)).toEqual([]);
});

test('these blocks are unchecked, each for a reason', () => {
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
  test.each(titled(of('yaml')))('%s is a configuration, a Kubernetes object, or part of one', (_title, block) => {
    const documents = parseAllDocuments(block.text);
    expect(documents.flatMap(({ errors }) => errors.map(({ message }) => message))).toEqual([]);
    // test/config/examples.test.ts loads whole configurations.
    if (/^version: 1$/m.test(block.text)) return;
    expect(documents.flatMap((document) => yamlProblems(document.toJS() as object, block.inside))).toEqual([]);
  });

  test.each([
    ['an unknown configuration key', { routess: [] }, null],
    ['an invalid value', { upstreams: { a: { endpoints: ['ftp://a'] } } }, null],
    ['an unknown key of a route', { allow: { rolles: ['a'] } }, 'routes[]'],
    ['an unknown field of a Pod', { volumess: [] }, 'pod'],
    ['an unknown value of the chart', { rediss: {} }, 'values'],
    ['a missing component', { components: ['../../components/none'] }, 'kustomization'],
  ])('%s is reported', (_title, value, inside) => {
    expect(yamlProblems(value, inside)).toHaveLength(1);
  });
});

describe('shell', () => {
  const blocks = of('sh');

  test('every block has valid syntax', () => {
    const script = blocks.map(({ text }, index) => `block_${index}() {\n${text}}\n`).join('');
    const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test.each(titled(blocks))('%s has existing commands with existing options', (_title, { path, text }) => {
    expect(shellCommands(text).flatMap((command) => commandProblems(path, command))).toEqual([]);
  });

  test.each([
    ['an unknown option', 'sallyport validate --strickt'],
    ['an unknown command', 'sallyport vallidate'],
    ['an unknown option in a container', 'docker run --rm sallyport validate --strickt'],
    ['an unknown command in a Pod', 'kubectl exec deploy/sallyport -- sallyport vallidate'],
    ['an unknown npm script', 'npm run biuld'],
    ['an unknown command of the image', 'docker run --rm ghcr.io/sallyport/sallyport:0.1.0 vallidate'],
    ['a program that no page uses', 'frobnicate now'],
    ['an option of another Helm command', 'helm uninstall sallyport --values shop.yaml'],
    ['an unknown command of the GitHub CLI', 'gh attestation verfy sallyport-0.1.0.tgz --repo a/b'],
    ['a file that no Pod has', 'kubectl exec deploy/sallyport -- sallyport validate /etc/sallyport/sallyport.yaml'],
    ['an unknown option of kubectl', 'kubectl -n shop get pods --namespaze shop'],
    ['an unknown command of kubectl', 'kubectl rollout stattus deployment/sallyport'],
    ['a misspelt option of Cosign', 'cosign verify-blob SHA256SUMS --bundel SHA256SUMS.sigstore.json'],
    ['an unknown short option of ss among others', 'ss -Hyn'],
    ['a missing path', 'kubectl apply -k k8s/nowhere'],
    ['an unknown endpoint of the gateway', 'curl http://localhost:8080/auth/log-in'],
  ])('%s is reported', (_title, script) => {
    expect(shellCommands(script).flatMap((command) => commandProblems('README.md', command))).toHaveLength(1);
  });
});

describe('commands in the prose', () => {
  const commands = allMentions().filter(
    ({ text }) => text.includes(' ') && !text.includes('…') && isProgram(text.split(' ')[0]),
  );

  test('exist, and have the options shown', () => {
    expect(commands.length).toBeGreaterThan(200);
    const problems = commands.flatMap(({ path, text }) =>
      shellCommands(text)
        .flatMap((command) => mentionProblems(path, command))
        .map((problem) => `${path}: ${problem}`),
    );
    expect(problems).toEqual([]);
  });

  test.each([
    ['an unknown option', 'sallyport explain --tokken-file'],
    ['an unknown command', 'sallyport explian'],
    ['an unknown option of another program', 'kubectl -n shop logs deployment/sallyport --folow'],
  ])('%s is reported', (_title, text) => {
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

  test.each(titled(of('svelte')))('%s is a Svelte component', (_title, { text }) => {
    compile(text, {});
  });

  test.each(titled(of('html')))('the forms in %s lead to endpoints of the gateway', (_title, { text }) => {
    const actions = [...text.matchAll(/action="([^"]+)"/g)].map(([, action = '']) => action);
    expect(actions.flatMap((action) => urlProblems(`https://shop.example.com${action}`))).toEqual([]);
  });

  test.each(titled(of('http')))('%s is an HTTP message and names only endpoints of the gateway', (_title, { text }) => {
    const [start = '', ...rest] = text.slice(0, `${text}\n`.indexOf('\n\n')).trim().split('\n');
    const isHeader = (line: string) => /^[\w-]+: \S/.test(line);
    expect(isHeader(start) || /^(?:[A-Z]+ \/\S*|HTTP\/1\.1 \d{3} .+)$/.test(start)).toBe(true);
    expect(rest.filter((line) => !isHeader(line))).toEqual([]);
    const paths = [...text.matchAll(/^[A-Z]+ (\/[^\s?]*)|url=(\/[^\s?]*)/gm)].map(
      ([, target, refresh]) => target ?? refresh,
    );
    expect(paths.flatMap((path) => urlProblems(`https://shop.example.com${path}`))).toEqual([]);
  });

  test.each(titled(of('promql')))('%s queries existing metrics of the gateway', (_title, { text }) => {
    const known = new Set(readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8').match(/sallyport_\w+/g));
    const asked = text.match(/\bsallyport_\w+/g) ?? [];
    const lost = asked.filter((name) => !known.has(name) && !known.has(name.replace(/_(?:bucket|count|sum)$/, '')));
    expect(lost).toEqual([]);
  });

  test.each(titled(of('toml')))('%s is TOML', (_title, { text }) => {
    expect(Object.keys(parseToml(text)).length).toBeGreaterThan(0);
  });

  test.each(titled(of('console')))(
    '%s begins with a command whose output a test compares',
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
  test('removes the indentation, and reads the fence', () => {
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

  test('refuses a block without an end', () => {
    expect(() => blocksOf('a.md', '```sh\nls\n')).toThrow('a.md:1: the block has no end');
  });

  test.each([
    ['a | b -x "c d" && e', [['a'], ['b', '-x', 'c d'], ['e']]],
    ["A=1 B='2 3' a 'it is' \\\n  more # comment", [['a', 'it is', 'more']]],
    ['a < in > out 2>&1 &\nb', [['a'], ['b']]],
    ['a "$(b c | d)"', [['a', 'SUBSTITUTED'], ['b', 'c'], ['d']]],
    ['a $(b "$(c)")', [['a', 'SUBSTITUTED'], ['b', 'SUBSTITUTED'], ['c']]],
    ['for x in a b; do c "$x"; done', [['c', '$x']]],
  ])('finds the commands of %s', (script, expected) => {
    expect(shellCommands(script).map(({ program, args }) => [program, ...args])).toEqual(expected);
  });
});
