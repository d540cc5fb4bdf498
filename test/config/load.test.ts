import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { noFiles } from '../../src/config/files/files.ts';
import type { Problem } from '../../src/config/findings/problem.ts';
import { renderGithub, renderText } from '../../src/config/render.ts';
import { loadConfig } from '../../src/gateway/configuration/load.ts';
import { CANARY, fakeEnv, load, MINIMAL } from './support.ts';

/** A configuration that uses most keys. */
const RICH = `# everything
version: 1
publicOrigin: [https://shop.example.com, https://admin.example.com]
listeners:
  public: { address: 0.0.0.0:8080, trustedProxies: [10.0.0.0/8], limits: { maxHeaderBytes: 32KiB } }
  admin: { address: 127.0.0.1:9090, tokenFile: /run/secrets/admin }
store:
  redis: { url: "\${REDIS_URL}", commandTimeout: 100ms }
session: { cookie: { name: __Host-sid, sameSite: lax }, idleTimeout: 30m }
login:
  password: { usersFile: users.yaml }
  trustedBackends:
    - { id: backend, service: { issuer: cluster, subjects: ["system:backend"] } }
upstreamToken:
  keys: { directory: /var/lib/sallyport/keys, rotateEvery: 30d }
  claims: { email: user.email, tier: { value: gold } }
issuers:
  cluster: { issuer: https://kubernetes.default.svc, jwksFile: jwks.json, algorithms: [RS256] }
upstreams:
  orders: { endpoints: [https://orders-1:8443, https://orders-2:8443], tls: { caFile: ca.pem } }
routes:
  - id: orders
    match: { path: "/api/:tenant/orders", methods: [GET, POST] }
    credential: [session, { service: [cluster] }]
    allow: { roles: [customer], any: [{ claims: { tier: [gold, 2] } }, { subjects: [{ user: bob }] }] }
    upstream: orders
    rewrite: { path: "/v2/:tenant/*" }
    requestHeaders: { set: { X-Team: "\${API_KEY}" }, remove: [Accept-Language] }
    timeouts: { idle: 0s }
  - id: assets
    match: { path: [/assets, "/static/*"], host: "*.example.com" }
    credential: none
    upstream: orders
`;

const codesOf = (text: string): string[] => load(text).problems.map(({ code }) => code);

test('a configuration that uses most keys loads without a finding', () => {
  const { loaded, problems } = load(RICH);
  expect(problems).toEqual([]);
  expect(loaded?.config.session.idleTimeout).toBe(1_800_000);
  expect(loaded?.config.listeners.public.limits.maxHeaderBytes).toBe(32_768);
  expect(loaded?.config.store.redis?.url).toBe(fakeEnv.REDIS_URL);
});

describe('references', () => {
  const value = (written: string) => load(`${MINIMAL}log: { auditFile: ${written} }\n`);
  test.each([
    ['"${HOST}"', 'shop.example.com'],
    ['"a-${HOST}-${PORT}"', 'a-shop.example.com-8081'],
    ['"${NOWHERE:-x:y-}"', 'x:y-'],
    ['"${EMPTY:-default}"', 'default'],
    ['"${EMPTY}x"', 'x'],
    ['"$${HOST}"', '${HOST}'],
    ['"$HOST $1"', '$HOST $1'],
    ["'${HOST}'", 'shop.example.com'],
  ])('%s expands to %s', (written, expected) => {
    expect(value(written).loaded?.config.log.auditFile).toBe(expected);
  });

  test('an unquoted reference takes the type of its value; a quoted one is text', () => {
    expect(load(`${MINIMAL}session: { maxPerUser: 7 }\n`).loaded?.config.session.maxPerUser).toBe(7);
    expect(load(`${MINIMAL}session:\n  maxPerUser: \${PORT}\n`).loaded?.config.session.maxPerUser).toBe(8081);
    expect(codesOf(`${MINIMAL}session: { maxPerUser: "\${PORT}" }\n`)).toEqual(['config/invalid-value']);
  });

  test('a value stays one scalar, whatever it contains', () => {
    const env = { EVIL: 'x\nroutes: []\nlog: { level: debug }', LIST: '[a, b]' };
    const text = `${MINIMAL}log:\n  auditFile: \${EVIL}\nlogin:\n  title: \${LIST}\n`;
    const { loaded } = loadConfig(text, { path: 'c.yaml', cwd: '/', env, files: noFiles });
    expect(loaded?.config.log.auditFile).toBe(env.EVIL);
    expect(loaded?.config.login.title).toBe('[a, b]');
    expect(loaded?.config.log.level).toBe('info');
  });

  test('a value is not expanded again', () => {
    const { loaded } = loadConfig(`${MINIMAL}login:\n  title: "\${A}"\n`, {
      path: 'c.yaml',
      cwd: '/',
      env: { A: '${B}', B: 'b' },
      files: noFiles,
    });
    expect(loaded?.config.login.title).toBe('${B}');
  });

  test('one newline at the end of a file is not part of the value', () => {
    const files = { ...noFiles, read: () => ({ text: 'two\nlines\n\n' }) };
    const { loaded } = loadConfig(`${MINIMAL}log:\n  auditFile: "\${file:x}"\n`, {
      path: '/etc/c.yaml',
      cwd: '/',
      env: {},
      files,
    });
    expect(loaded?.config.log.auditFile).toBe('two\nlines\n');
  });

  test('without access to files, a value from a file is not validated', () => {
    const text = `${MINIMAL}store: { redis: { url: "\${file:/run/secrets/url}" } }\nupstreamToken: { keys: { directory: /nowhere } }\n`;
    const { problems } = loadConfig(text, { path: 'c.yaml', cwd: '/', env: {}, files: noFiles });
    expect(problems).toEqual([]);
  });
});

describe('a file of another format', () => {
  test('gets one finding, about its version, whatever else it contains', () => {
    const other = MINIMAL.replace('version: 1\n', '');
    for (const text of [
      `version: 2\n${other}`,
      `${other}gateways: []\nstore: { etcd: {} }\nroutess: 5\nversion: 2\n`,
    ]) {
      const { problems, loaded } = loadConfig(text, { path: 'c.yaml', cwd: '/', env: {}, files: noFiles });
      expect(problems.map(({ message, hint }) => `${message}; ${hint}`)).toEqual([
        'version 2 is another format: this release reads version 1; use the release that the file was written for',
      ]);
      expect(loaded).toBeNull();
    }
    expect(codesOf(`version: "1"\n${other}routess: 5\n`)).toContain('config/unknown-key');
  });

  test('LOG-01: does not show a secret beside the version', () => {
    const { problems, source } = loadConfig(`store: { redis: { password: hunter2hunter2 } }\nversion: 3\n`, {
      path: 'c.yaml',
      cwd: '/',
      env: {},
      files: noFiles,
    });
    expect(problems).toHaveLength(1);
    expect(source.shownLine(1)).not.toContain('hunter2');
  });
});

test('a secret in the configuration gets a hint to the key for its file', () => {
  const { problems } = loadConfig(`${MINIMAL}upstreamToken: { algorithm: HS256, secret: hunter2hunter2 }\n`, {
    path: 'c.yaml',
    cwd: '/',
    env: {},
    files: noFiles,
  });
  expect(problems.map(({ hint }) => hint)).toContain('did you mean "secretFile"?');
  expect(JSON.stringify(problems)).not.toContain('hunter2');
});

describe('CFG-07', () => {
  test('exponential aliases are refused before they are resolved', () => {
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x]']
      .concat(
        Array.from(
          { length: 20 },
          (_, level) => `a${level + 1}: &a${level + 1} [${Array(8).fill(`*a${level}`).join(', ')}]`,
        ),
      )
      .join('\n');
    expect(codesOf(`${MINIMAL}${bomb}\n`)).toContain('yaml/alias');
  });

  test('more than 200 aliases are refused', () => {
    const text = `${MINIMAL}csrf: { additionalOrigins: [&a https://a.example.com, ${Array(201).fill('*a').join(', ')}] }\n`;
    expect(codesOf(text)).toEqual(['yaml/alias']);
  });

  test('a text over 8 MiB is not parsed', () => {
    expect(codesOf(`# ${'x'.repeat(8 * 1024 * 1024)}\n${MINIMAL}`)).toEqual(['config/too-large']);
  });

  test('nesting over 40 levels is refused', () => {
    expect(codesOf(`${MINIMAL}issuers: ${'['.repeat(60)}${']'.repeat(60)}\n`)).toContain('yaml/syntax');
  });

  test('CFG-06: regular-expression characters in a path are literal', () => {
    const { loaded } = load(MINIMAL.replace('path: /', 'path: "/a.b+c"'));
    expect(loaded?.config.routes[0]?.match.path).toEqual(['/a.b+c']);
  });
});

test('a finding has its line and column, after comments and empty lines too', () => {
  const { problems } = load(`# a comment\n\n\n${MINIMAL}# another\nlgo: {}\r\n`);
  expect(problems).toMatchObject([{ code: 'config/unknown-key', line: 11, column: 1, endColumn: 4 }]);
});

test('line ends inside invalid YAML count too', () => {
  const { problems, source } = load('a: 1\nb: { c: 1 }\0\n  d: { e: 1 }\nf: 1\n');
  expect(problems).toMatchObject([{ code: 'yaml/syntax', line: 2, column: 12 }]);
  expect(source.line(3)).toEqual({ text: '  d: { e: 1 }', start: 18 });
});

test('a byte order mark and CRLF line ends are accepted', () => {
  expect(load(`\ufeff${MINIMAL.replaceAll('\n', '\r\n')}`).problems).toEqual([]);
});

test('control characters and escape sequences in the text do not reach the terminal', () => {
  const { problems, source } = load(`${MINIMAL}"lo\u001b[31mg\u0007": 1\nlog: { level: "\u009b2J" }\n`);
  const text = renderText({ path: 'c.yaml', problems, source });
  expect(text).toContain('\ufffd[31m');
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

test('a finding for GitHub Actions is one workflow command', () => {
  const { problems } = load(`${MINIMAL}lgo: {}\n`);
  expect(renderGithub({ path: 'a,b:c.yaml', problems })).toBe(
    '::error file=a%2Cb%3Ac.yaml,line=7,col=1,endColumn=4,title=config/unknown-key::unknown key "lgo" (did you mean "log"?)\n',
  );
});

describe('hash', () => {
  const hashOf = (text: string, env: Record<string, string> = fakeEnv) =>
    loadConfig(text, { path: 'c.yaml', cwd: '/etc', env, files: noFiles }).loaded?.hash;

  test('ignores comments, key order, the spelling of references and explicit defaults', () => {
    const reordered = `# x\n${MINIMAL.replace('version: 1\n', '')}version: 1\nworkers: 1\nlog: { level: info }\n`;
    expect(hashOf(reordered)).toBe(hashOf(MINIMAL));
    expect(hashOf(MINIMAL.replace('shop.example.com', '"${HOST}"').replace('https://"', '"https://'))).toBe(
      hashOf(MINIMAL),
    );
  });

  test('changes with a value', () => {
    expect(hashOf(MINIMAL.replace('8080', '8081'))).not.toBe(hashOf(MINIMAL));
  });

  test('does not depend on secrets', () => {
    expect(hashOf(RICH, { ...fakeEnv, REDIS_URL: 'redis://user:other@redis:6379/0', API_KEY: 'other' })).toBe(
      hashOf(RICH),
    );
    expect(hashOf(RICH, { ...fakeEnv, REDIS_URL: 'redis://user:other@elsewhere:6379/0' })).not.toBe(hashOf(RICH));
  });
});

test('the effective configuration loads again with the same result', () => {
  const text = MINIMAL.replace('127.0.0.1:8080', '"127.0.0.1:${PORT}"');
  const first = load(text).loaded;
  const second = load(stringify(first?.effective)).loaded;
  expect(second?.config).toEqual(first?.config);
  expect(second?.hash).toBe(first?.hash);
});

describe('a mutated configuration loads, or has findings inside the text', () => {
  const lines = RICH.split('\n');
  const isInside = ({ line, column, endColumn }: Problem, text: string) => {
    const textLines = text.split('\n');
    const at = textLines[line - 1];
    return (
      at !== undefined && column >= 1 && column <= at.length + 1 && endColumn > column && endColumn <= at.length + 2
    );
  };
  const holds = (text: string) => {
    const { loaded, problems, source } = load(text);
    for (const problem of problems) expect(isInside(problem, text), JSON.stringify(problem)).toBe(true);
    expect(loaded === null).toBe(problems.some(({ severity }) => severity === 'error'));
    expect(problems.map(({ line }) => line)).toEqual(problems.map(({ line }) => line).toSorted((a, b) => a - b));
    expect(renderText({ path: 'c.yaml', problems, source })).not.toContain(CANARY);
  };
  const garbage = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom(
      ' ',
      '\t',
      ':',
      ': ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '#',
      '&a',
      '*a',
      '!!x ',
      '${',
      '}',
      '<<: ',
      '---\n',
      '~',
      '0x1',
      '\r',
      '\u2028',
      '|',
      '>',
    ),
  );

  test('when a piece is replaced by garbage', () => {
    fc.assert(
      fc.property(fc.nat(RICH.length), fc.nat(12), garbage, (start, length, piece) =>
        holds(RICH.slice(0, start) + piece + RICH.slice(start + length)),
      ),
      { numRuns: 200 },
    );
  });

  test('when lines are removed, doubled, swapped or indented', () => {
    const line = fc.nat(lines.length - 1);
    fc.assert(
      fc.property(line, line, fc.constantFrom('remove', 'double', 'swap', 'indent'), (a, b, change) => {
        const mutated = [...lines];
        if (change === 'remove') mutated.splice(Math.min(a, b), 1 + (Math.abs(a - b) % 4));
        if (change === 'double') mutated.splice(a, 0, lines[b]!);
        if (change === 'swap') [mutated[a], mutated[b]] = [lines[b]!, lines[a]!];
        if (change === 'indent') mutated[a] = `  ${lines[a]}`;
        holds(mutated.join('\n'));
      }),
      { numRuns: 200 },
    );
  });

  test('when a value is replaced by another kind of value', () => {
    const values = [...RICH.matchAll(/(?<=: )[^\s{}[\],]+/g)];
    fc.assert(
      fc.property(
        fc.constantFrom(...values),
        fc.constantFrom('null', 'true', '17', '1.5', '[]', '{}', '[x]', '{ x: y }', '"${NO}"', '"${HOST}"', "''"),
        (match, value) => holds(RICH.slice(0, match.index) + value + RICH.slice(match.index + match[0].length)),
      ),
      { numRuns: 200 },
    );
  });
});

test.each(['app:8080', '10.0.0.7:80', 'app.shop.svc'])(
  'A7: the finding for an endpoint without a scheme names the schemes: %s',
  (endpoint) => {
    const { problems } = load(MINIMAL.replace(/endpoints: \[[^\]]*\]/, `endpoints: ["${endpoint}"]`));
    expect(problems.map(({ message }) => message)).toEqual([
      'upstreams.app.endpoints[0] is not the URL of a server: begin it with http://, https:// or h2c://',
    ]);
  },
);
