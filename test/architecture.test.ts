/**
 * The rules for the structure of the source: imports (types included), comments and sizes.
 */

import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { parse } from 'acorn';
import { fullAncestor } from 'acorn-walk';
import { describe, expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '..', 'src');

/** The stages of a request, in the order of `src/pipeline.ts`. */
const STAGES = ['listener', 'sanitize', 'routing', 'authentication', 'authorization', 'token', 'upstream', 'response'];

/**
 * What each top-level folder and file may import from, types included. Everything may import `lib/` and `errors.ts`. An
 * entry names only entries above it in this table, so imports cannot form a cycle.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  'version.ts': [],
  'errors.ts': [],
  config: [],
  jwt: [],
  telemetry: ['config', 'jwt', 'version.ts'],
  store: ['config', 'jwt', 'telemetry'],
  'principal.ts': ['jwt', 'store'],
  pages: ['config', 'store'],
  sanitize: ['config'],
  authentication: ['config', 'jwt', 'principal.ts', 'sanitize', 'store', 'telemetry'],
  cors: ['authentication', 'config'],
  routing: ['authentication', 'config', 'cors', 'sanitize'],
  'exchange.ts': ['principal.ts', 'routing', 'sanitize', 'telemetry'],
  limits: ['config', 'exchange.ts', 'principal.ts', 'routing', 'telemetry'],
  authorization: ['authentication', 'config', 'principal.ts', 'routing', 'sanitize'],
  token: ['authentication', 'authorization', 'config', 'jwt', 'principal.ts', 'telemetry'],
  upstream: ['authorization', 'config', 'exchange.ts', 'principal.ts', 'routing', 'sanitize', 'telemetry'],
  response: ['cors', 'exchange.ts', 'pages', 'principal.ts', 'sanitize'],
  endpoints: [
    ...[
      'authentication',
      'authorization',
      'config',
      'cors',
      'exchange.ts',
      'jwt',
      'pages',
      'principal.ts',
      'response',
      'sanitize',
      'store',
      'telemetry',
    ],
    'token',
  ],
  'pipeline.ts': [
    ...['authentication', 'authorization', 'cors', 'endpoints', 'exchange.ts', 'response', 'routing', 'sanitize'],
    ...['limits', 'telemetry', 'token', 'upstream'],
  ],
  listener: ['config', 'exchange.ts', 'pipeline.ts', 'sanitize', 'telemetry'],
  outbound: [
    ...['authentication', 'authorization', 'config', 'jwt', 'pipeline.ts', 'response', 'routing', 'sanitize'],
    ...['limits', 'telemetry', 'token', 'upstream'],
  ],
  authorizer: [
    ...['authorization', 'config', 'exchange.ts', 'listener', 'pipeline.ts', 'response', 'sanitize', 'upstream'],
  ],
  admin: ['config', 'endpoints', 'jwt', 'listener', 'pages', 'store', 'telemetry'],
  // The rest compose the folders above.
  gateway: ['*'],
  process: ['admin', 'config', 'gateway', 'listener', 'store', 'telemetry'],
  cli: ['*'],
  'main.ts': ['cli'],
};

/** Files that everything may import. */
const COMMON = ['lib', 'errors.ts'];

interface Import {
  readonly from: string;
  readonly to: string;
  /** Whether anything but types is imported. */
  readonly isValue: boolean;
}

/** Names that every section exports; `gateway/` imports each of them under a different name. */
const OF_EVERY_SECTION = ['codes', 'lint', 'minted'];

/** An exported declaration, with the line before it and its name. */
const EXPORTS =
  /^(.*)\nexport (?:declare )?(?:abstract )?(?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm;

/** A class or a type at the top level, and whether it is exported. */
const TYPES = /^(export )?(?:declare )?(?:abstract )?(?:class|interface|type) (\w+)/gm;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .toSorted();

const ROOT = join(SRC, '..');
/** TypeScript files outside `src/`, except tests, relative to the root. */
const BESIDE = globSync('{bench,demo,packages/*,scripts,site}/**/*.ts', {
  cwd: ROOT,
  exclude: (path) => path.endsWith('node_modules') || path.endsWith('dist'),
});

const source = (path: string) => readFileSync(join(SRC, path), 'utf8');
const code = (path: string) => withoutComments(source(path));
const imports = files.flatMap((path) => importsOf(SRC, path));
const dynamicImports = files.flatMap((from) =>
  [...code(from).matchAll(/\bimport\('(\.[^']+)'\)/g)].map(([, specifier = '']) => ({
    from,
    to: relative(SRC, join(SRC, dirname(from), specifier)),
    isValue: true,
  })),
);

/** The top-level folder of a file, or the file itself if it is in none. */
const roomOf = (path: string) => path.split('/')[0] ?? '';
const show = ({ from, to }: Import) => `${from} → ${to}`;

describe('imports', () => {
  test('are found in the whole tree', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(files.length);
    expect(imports.every(({ to }) => files.includes(to))).toBe(true);
  });

  test('the table of allowed imports lists every folder, each naming only entries above it', () => {
    expect(Object.keys(MAY_IMPORT).toSorted()).toEqual([...new Set(files.map(roomOf))].toSorted());
    const above = new Set<string>(['*']);
    for (const [room, allowed] of Object.entries(MAY_IMPORT)) {
      expect([room, allowed.filter((other) => !above.has(other))]).toEqual([room, []]);
      above.add(room);
    }
  });

  test('a folder imports only what the table allows, types included', () => {
    const order = Object.keys(MAY_IMPORT);
    const isAllowed = ({ from, to }: Import) => {
      const [room, other] = [roomOf(from), roomOf(to)];
      const allowed = MAY_IMPORT[room] ?? [];
      if (room === other || COMMON.includes(other)) return true;
      return allowed.includes('*') ? order.indexOf(other) < order.indexOf(room) : allowed.includes(other);
    };
    expect([...imports, ...dynamicImports].filter((it) => !isAllowed(it)).map(show)).toEqual([]);
  });

  test('the table allows no more than the source uses', () => {
    const used = new Set([...imports, ...dynamicImports].map(({ from, to }) => `${roomOf(from)} → ${roomOf(to)}`));
    const unused = Object.entries(MAY_IMPORT).flatMap(([room, allowed]) =>
      allowed.filter((other) => other !== '*' && !used.has(`${room} → ${other}`)).map((other) => `${room} → ${other}`),
    );
    expect(unused).toEqual([]);
  });

  test('lib/ and errors.ts import nothing but lib/', () => {
    const common = imports.filter(({ from, to }) => COMMON.includes(roomOf(from)) && roomOf(to) !== 'lib');
    expect(common.map(show)).toEqual([]);
  });

  test('a stage imports only types from other stages, except in configuration code', () => {
    const isAboutConfiguration = (path: string) => /\/(?:section|lint|coverage|path-pattern|open)\.ts$/.test(path);
    const across = imports.filter(
      ({ from, to, isValue }) =>
        isValue &&
        !isAboutConfiguration(from) &&
        STAGES.includes(roomOf(from)) &&
        STAGES.includes(roomOf(to)) &&
        roomOf(from) !== roomOf(to),
    );
    expect(across.map(show)).toEqual([]);
  });

  test('there are no import cycles, not even of types', () => {
    expect(cyclesOf(imports)).toEqual([]);
    const beside = [...BESIDE, ...globSync('test/**/*.ts', { cwd: ROOT })];
    const besideImports = beside.flatMap((path) => importsOf(ROOT, path));
    expect(besideImports.length).toBeGreaterThan(beside.length);
    expect(cyclesOf(besideImports)).toEqual([]);
  });

  test('two sibling folders never import from each other in both directions', () => {
    const pairs = new Map<string, string>();
    for (const it of [...imports, ...dynamicImports]) {
      const [from, to] = foldersApart(it);
      if (from !== null && to !== null) pairs.set(`${from} → ${to}`, `${to} → ${from}`);
    }
    expect(pairs.size).toBeGreaterThan(100);
    expect([...pairs].filter(([, back]) => pairs.has(back)).map(([pair]) => pair)).toEqual([]);
  });

  test('at most ten files import the composed configuration', () => {
    const importers = new Set(
      imports.filter(({ to }) => to === 'gateway/configuration/schema.ts').map(({ from }) => from),
    );
    expect(importers.size).toBeGreaterThan(0);
    expect(importers.size).toBeLessThanOrEqual(10);
  });

  test('files that describe a request import neither the schema nor the configuration', () => {
    const carried = ['pipeline.ts', 'exchange.ts', 'principal.ts', 'errors.ts'];
    expect(carried.filter((path) => /from 'zod'|config\/|section\.ts'/.test(code(path)))).toEqual([]);
  });
});

describe('the path of a request', () => {
  test('pipeline.ts names the stages in order, and each is a folder', () => {
    const line = /listener → .*/.exec(source('pipeline.ts'))?.[0] ?? '';
    expect(line.split(' → ')).toEqual(STAGES);
    expect(STAGES.filter((stage) => !files.some((path) => roomOf(path) === stage))).toEqual([]);
  });

  test('only authorization/ grants a Permit', () => {
    expect(files.filter((path) => /\bPermit\.grant\b/.test(code(path)) && roomOf(path) !== 'authorization')).toEqual(
      [],
    );
  });

  test('only principal.ts and the error page branch on the kind of principal', () => {
    const asks = /(?:principal|asked)\??\.kind (?:===|!==)|switch \((?:principal|asked)\.kind\)/g;
    const asking = files.flatMap((file) => (code(file).match(asks) ?? []).map(() => file));
    expect(asking.filter((file) => file !== 'principal.ts')).toEqual(['response/error-page.ts']);
  });

  test('only main.ts, cli/, gateway/ and process/ read the environment or arguments, or end the process', () => {
    const allowed = (path: string) => ['main.ts', 'cli', 'gateway', 'process'].includes(roomOf(path));
    expect(files.filter((path) => /\bprocess\.(?:env|argv|exit)\b/.test(code(path)) && !allowed(path))).toEqual([]);
  });

  test('only one file loads the OpenTelemetry SDK, and only on demand', () => {
    const loads = /^import (?!type\b)[^;]*'@opentelemetry\/|\bimport\('@opentelemetry\//m;
    expect(files.filter((path) => loads.test(code(path)))).toEqual(['telemetry/traces/export.ts']);
    expect(code('telemetry/traces/export.ts')).not.toMatch(/^import (?!type\b)[^;]*'@opentelemetry\//m);
  });

  test("Node's request and response objects stay in listener/ and admin/", () => {
    // Three HTTP clients read answers as Node's own objects, and `sallyport login` uses one to answer the browser.
    const clients = ['jwt/fetch-json.ts', 'lib/http/small-requests.ts', 'cli/io/http.ts'];
    const others = ['lib/http/node-http.ts', 'cli/login/loopback.ts'];
    const isAllowed = (path: string) =>
      ['listener', 'admin'].includes(roomOf(path)) || [...clients, ...others].includes(path);
    expect(
      files.filter((path) => /\b(?:IncomingMessage|ServerResponse|Http2\w+)\b/.test(code(path)) && !isAllowed(path)),
    ).toEqual([]);
  });

  test('node:http comes from lib/http/node-http.ts: a static import would load a second HTTP client', () => {
    const imports = /^import (?!type )[^;]*from 'node:http';/m;
    expect(files.filter((path) => imports.test(source(path)))).toEqual([]);
  });
});

describe('comments and sizes', () => {
  test('every file opens with its purpose', () => {
    expect(files.filter((path) => !/^(?:#!.*\n)?(?:import [^;]*;\n+)*\/\*\*/.test(source(path)))).toEqual([]);
  });

  test("every folder has a file that opens with the folder's purpose", () => {
    const folders = new Set(files.map((path) => dirname(path)).filter((folder) => folder !== '.'));
    const opensFolder = (folder: string) => files.some((path) => dirname(path) === folder && opens(path, folder));
    expect([...folders].filter((folder) => !opensFolder(folder))).toEqual([]);
  });

  test('every export has a docstring', () => {
    const undocumented = files.flatMap((path) =>
      [...source(path).matchAll(EXPORTS)]
        .filter(
          ([, before = '']) => !before.trimEnd().endsWith('*/') && !before.trimStart().startsWith('// biome-ignore'),
        )
        .map(([, , name]) => `${path}: ${name}`),
    );
    expect(undocumented).toEqual([]);
  });

  test('no two files export the same name, except those that every section exports', () => {
    const exported = files.flatMap((path) =>
      [...source(path).matchAll(EXPORTS)].map(([, , name = '']) => ({ path, name })),
    );
    expect(exported.length).toBeGreaterThan(files.length);
    const homes = Map.groupBy(exported, ({ name }) => name);
    const shared = [...homes].map(([name, all]) => ({ name, paths: [...new Set(all.map(({ path }) => path))] }));
    expect(shared.filter(({ name, paths }) => paths.length > 1 && !OF_EVERY_SECTION.includes(name))).toEqual([]);
  });

  test('no other type has the name of an exported type, except in lint rules', () => {
    const types = files.flatMap((path) =>
      [...code(path).matchAll(TYPES)].map(([, isExported, name = '']) => ({ path, name, isExported })),
    );
    expect(types.length).toBeGreaterThan(1_000);
    const exported = new Map(types.filter(({ isExported }) => isExported).map(({ name, path }) => [name, path]));
    const again = types.filter(({ name, path }) => exported.has(name) && exported.get(name) !== path);
    const shown = again.filter(({ path }) => !path.endsWith('/lint.ts')).map(({ name, path }) => `${path}: ${name}`);
    expect(shown).toEqual([]);
  });

  test('a file over 400 lines says why', () => {
    const long = files.filter((path) => source(path).split('\n').length > 401);
    expect(long.filter((path) => !/\blong because\b/i.test(source(path)))).toEqual([]);
  });

  test('a function over 60 lines says why, also outside src/', () => {
    expect(BESIDE.length).toBeGreaterThan(100);
    const functions = [...files.map((path) => join('src', path)), ...BESIDE].flatMap(functionsOf);
    expect(functions.length).toBeGreaterThan(1_000);
    const long = functions.filter(({ lineCount, comment }) => lineCount > 60 && !/\blong because\b/i.test(comment));
    expect(long.map(({ place, lineCount }) => `${place}: ${lineCount} lines`)).toEqual([]);
  });

  test('the HTTP/1.1 client has fewer than 600 lines of code (ADR 27)', () => {
    const client = files.filter((path) => path.startsWith('upstream/http1/'));
    const lines = client.flatMap((path) => code(path).split('\n')).filter((line) => line.trim() !== '');
    expect(client.length).toBeGreaterThan(4);
    expect(lines.length).toBeLessThan(600);
  });

  test('gateway.ts and compile.ts have at most 250 lines each', () => {
    for (const path of ['gateway/gateway.ts', 'gateway/compile.ts'])
      expect([path, existsSync(join(SRC, path)) && source(path).split('\n').length <= 251]).toEqual([path, true]);
  });
});

/** Without comments, so that prose does not count as code. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

/** The relative imports of a file; paths are relative to the root. */
function importsOf(root: string, from: string): Import[] {
  const text = withoutComments(readFileSync(join(root, from), 'utf8'));
  const found = text.matchAll(/^(?:import|export)\s+(type\s+)?([^'"]*?)\s*(?:from\s+)?'(\.[^']+)'/gm);
  return [...found].map(([, typeOnly, names = '', specifier = '']) => ({
    from,
    to: relative(root, join(root, dirname(from), specifier)),
    isValue: typeOnly === undefined && !/^\{\s*(?:type\s+[^,}]+,?\s*)+\}$/.test(names.trim()),
  }));
}

/** The sibling folders at which the paths of two files part; `null` for a file that is in no folder below that point. */
function foldersApart({ from, to }: Import): readonly (string | null)[] {
  const [one, other] = [from.split('/'), to.split('/')];
  const depth = one.findIndex((part, index) => part !== other[index]);
  return [one, other].map((path) => (depth < path.length - 1 ? path.slice(0, depth + 1).join('/') : null));
}

/** The import cycles, types included. */
function cyclesOf(all: readonly Import[]): string[] {
  const byFile = Map.groupBy(all, ({ from }) => from);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (done.has(path) || trail.includes(path)) return;
    for (const { to } of byFile.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of byFile.keys()) visit(path, []);
  return cycles;
}

interface FunctionSize {
  readonly place: string;
  readonly lineCount: number;
  /** The comment directly before the function or its statement. */
  readonly comment: string;
}

/** Every function of a file, methods and arrows included, from its first line to its last. */
function functionsOf(path: string): FunctionSize[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const found: FunctionSize[] = [];
  const comments = new Map<number, string>();
  const tree = parse(stripTypeScriptTypes(text), {
    ecmaVersion: 'latest',
    sourceType: 'module',
    allowHashBang: true,
    locations: true,
    onComment: (_isBlock, comment, _start, _end, _from, to) => comments.set(to?.line ?? 0, comment),
  });
  fullAncestor(tree, ({ type, loc }, _state, ancestors) => {
    if (loc == null || !/Function/.test(type)) return;
    const { start, end } = loc;
    const within = ancestors.filter((node) => /Declaration|Definition|Statement/.test(node.type)).at(-1)?.loc ?? loc;
    found.push({
      place: `${path}:${start.line}`,
      lineCount: end.line - start.line + 1,
      comment: comments.get(start.line - 1) ?? comments.get(within.start.line - 1) ?? '',
    });
  });
  return found;
}

/** Whether a file opens with the name of its folder and a colon, such as `sanitize: a raw request in, …`. */
function opens(path: string, folder: string): boolean {
  const comment = /^(?:#!.*\n)?(?:import [^;]*;\n+)*\/\*\*\s*(?:\* )?([^\n]*)/.exec(source(path))?.[1] ?? '';
  return comment.startsWith(`${folder}: `) || comment.startsWith(`${folder.split('/').at(-1)}: `);
}
