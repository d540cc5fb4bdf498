/**
 * Every block of code in every document is run or checked: by a test of its own where its fence says `recipe=` or where a test
 * reads the page, and by the kind of its language here. One that nothing can check says why in its fence, and is counted.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse as parseJavaScript } from 'acorn';
import { parse as parseToml } from 'smol-toml';
import { compile } from 'svelte/compiler';
import { transformWithOxc } from 'vite';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { COMMANDS } from '../../src/cli/commands.ts';
import { parseLine } from '../../src/cli/parse.ts';
import { allBlocks, type Block, blocksOf } from './blocks.ts';
import { type ShellCommand, shellCommands } from './shell.ts';
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
    ['a program that no page uses', 'frobnicate now'],
    ['a path that is not there', 'kubectl apply -k k8s/nowhere'],
    ['an endpoint that the gateway does not have', 'curl http://localhost:8080/auth/log-in'],
  ])('%s is found', (_title, script) => {
    expect(shellCommands(script).flatMap((command) => commandProblems('README.md', command))).toHaveLength(1);
  });
});

/** Programs that pages use and that have no description here: their arguments are not checked, but paths of the repository are. */
const PROGRAMS = new Set(
  [
    'awk base64 cat cd chgrp chmod cosign cp curl cut date diff dmesg docker echo export find gh git go grep grpcurl head helm id jq kill kind',
    'kubectl ls mkdir node npm npx openssl printf promtool python3 redis-cli rm sed sha256sum sleep sort ss tail tee tr umask uniq wait wc yq',
  ].flatMap((names) => names.split(' ')),
);

function commandProblems(page: string, { program, args }: ShellCommand): readonly string[] {
  if (program === 'sudo') return commandProblems(page, { program: args[0] ?? '', args: args.slice(1) });
  if (program === 'sallyport') return sallyportProblems(args);
  // In a container: the last word that is the program (or its image) begins its command line.
  if (['docker', 'kubectl'].includes(program) && args.includes('sallyport')) {
    const inside = args.slice(args.lastIndexOf('sallyport') + 1);
    return inside.length === 0 ? [] : sallyportProblems(inside);
  }
  if (!PROGRAMS.has(program)) return [`${program} is not a program that pages use`];
  if (program === 'curl') return args.flatMap((arg) => urlProblems(arg));
  if (program === 'npm' && args[0] === 'run') return scriptProblems(args);
  const named = args.filter((arg) => /^(?:k8s|examples|test|bench|demo|docs|scripts)\/[\w./-]+$/.test(arg));
  const here = (path: string) => existsSync(join(ROOT, path)) || existsSync(join(ROOT, dirname(page), path));
  return named.filter((path) => !here(path) && !path.startsWith('k8s/overlays/')).map((path) => `${path} is not there`);
}

function scriptProblems(args: readonly string[]): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  const [, ...rest] = args;
  const name = rest.find((arg) => !arg.startsWith('-')) ?? '';
  const behind = rest.slice(rest.indexOf('--') + 1);
  if (!(name in scripts)) return [`npm has no script ${name}`];
  return name === 'sallyport' && rest.includes('--') ? sallyportProblems(behind) : [];
}

function sallyportProblems(args: readonly string[]): readonly string[] {
  if (args[0]?.startsWith('-') === true) return [];
  const named = COMMANDS.filter(({ name }) => name.split(' ').every((word, index) => args[index] === word));
  const command = named.toSorted((one, other) => other.name.length - one.name.length)[0];
  if (command === undefined) return [`sallyport has no command ${args.join(' ')}`];
  try {
    parseLine(command, args.slice(command.name.split(' ').length));
    return [];
  } catch (thrown) {
    return [`sallyport ${args.join(' ')}: ${(thrown as Error).message}`];
  }
}

/** Addresses of the gateway itself, as its page lists them. */
const ENDPOINTS = [
  ...readFileSync(join(ROOT, 'docs/reference/endpoints.md'), 'utf8').matchAll(/^\| \w+[^|]* \| `([^`?[]+)/gm),
].map(
  ([, path = '']) =>
    new RegExp(`^${path.replaceAll(/\{(?:base|basePath)\}/g, '/auth').replaceAll(/\{\w+\}|:\w+/g, '[^/]+')}$`),
);

function urlProblems(arg: string): readonly string[] {
  const [, path] = /^https?:\/\/(?:localhost|127\.0\.0\.1|shop\.example\.com)(?::\d+)?(\/[^?#]*)/.exec(arg) ?? [];
  if (path === undefined || !/^\/(?:auth|\.well-known|-)\//.test(path)) return [];
  return ENDPOINTS.some((endpoint) => endpoint.test(path)) ? [] : [`the gateway has no ${path}`];
}

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
