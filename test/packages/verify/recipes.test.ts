/**
 * The recipes of docs/verify.md and of the package's README, unchanged, against a gateway: each in its own process,
 * with tokens that the gateway sent, and with tokens that it would never send although they are signed with its key.
 */

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import { findProgram } from '../../support/programs.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { until } from '../../support/until.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGES = ['docs/verify.md', 'packages/verify/README.md']
  .map((path) => readFileSync(join(ROOT, path), 'utf8'))
  .join('\n');
const ISSUER = 'https://shop.example.com';
/** The first build of Go's standard library takes a while. */
const BUILD_TIMEOUT_MS = 240_000;

function recipe(name: string): string {
  const [, text] = new RegExp(`^\`\`\`[a-z]+ recipe=${name}\\n(.*?)^\`\`\`$`, 'ms').exec(PAGES) ?? [];
  if (text === undefined) throw new Error(`no page has a recipe ${name}`);
  return text;
}

interface Verdict {
  readonly outcome: 'believed' | 'refused' | 'unavailable';
  readonly subject?: string;
  readonly actor?: string | null;
}

/** How to set up a recipe in a directory so that it answers each line, an Authorization header, with a verdict. */
interface Kitchen {
  /** The command to run; or, as a text, why this machine cannot. */
  readonly prepare: (directory: string) => readonly string[] | string;
  /** Whether it follows `Cache-Control`, rather than its own interval. */
  readonly readsCacheControl: boolean;
}

/** How long the recipes wait after an unknown kid before they fetch the keys again. */
const COOL_DOWN_MS = 10_000;

const write = (directory: string, name: string, text: string) => {
  mkdirSync(dirname(join(directory, name)), { recursive: true });
  writeFileSync(join(directory, name), text);
};

/** Packages of this repository; `@sallyport/verify` as its sources. */
function linkPackages(directory: string): void {
  for (const name of ['jose', 'express', 'fastify']) {
    mkdirSync(join(directory, 'node_modules'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name));
  }
  const installed = 'node_modules/@sallyport/verify';
  write(directory, `${installed}/package.json`, JSON.stringify({ type: 'module', exports: './index.js' }));
  write(directory, `${installed}/index.js`, `export * from '${join(ROOT, 'packages/verify/src/index.ts')}';\n`);
}

const nodeKitchen = (name: string, judge: string): Kitchen => ({
  readsCacheControl: false,
  prepare: (directory) => {
    linkPackages(directory);
    write(directory, 'package.json', '{ "type": "module" }');
    write(directory, 'recipe.js', recipe(name));
    write(
      directory,
      'main.js',
      `import { createInterface } from 'node:readline';\n${judge}\n` +
        `for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await judge(line)));\n` +
        'process.exit(0);\n',
    );
    return [process.execPath, 'main.js'];
  },
});

const byHttp = (start: string) => `
import { app } from './recipe.js';
const origin = await (${start})();
async function judge(authorization) {
  const answer = await fetch(origin + '/orders', { headers: { authorization } });
  if (answer.status !== 200) return { outcome: answer.status === 401 ? 'refused' : 'unavailable' };
  return { outcome: 'believed', ...(await answer.json()) };
}`;

const KITCHENS: Readonly<Record<string, Kitchen>> = {
  verify: nodeKitchen(
    'verify',
    `import { whoCalls } from './recipe.js';
const judge = (line) => whoCalls(line).then(
  ({ subject, actor }) => ({ outcome: 'believed', subject, actor }),
  ({ status }) => ({ outcome: status === 401 ? 'refused' : 'unavailable' }),
);`,
  ),
  express: nodeKitchen(
    'express',
    byHttp(
      "() => new Promise((resolve) => { const server = app.listen(0, '127.0.0.1', () => resolve('http://127.0.0.1:' + server.address().port)); })",
    ),
  ),
  fastify: nodeKitchen('fastify', byHttp("() => app.listen({ port: 0, host: '127.0.0.1' })")),
  jose: nodeKitchen(
    'jose',
    `import { isUnavailable, whoCalls } from './recipe.js';
const judge = (line) => whoCalls(line).then(
  ({ subject, actor }) => ({ outcome: 'believed', subject, actor }),
  (error) => ({ outcome: isUnavailable(error) ? 'unavailable' : 'refused' }),
);`,
  ),
  go: { readsCacheControl: true, prepare: prepareGo },
  python: { readsCacheControl: true, prepare: preparePython },
};

const GO_MODULE = 'github.com/golang-jwt/jwt/v5';
const GO_SUM = `${GO_MODULE} v5.3.1 h1:kYf81DTWFe7t+1VvL7eS+jKFVWaUnK9cB1qbwn63YCY=
${GO_MODULE} v5.3.1/go.mod h1:fxCRLWMO43lRc8nhHWY6LGqRcf+1gQWArsqaEUEa5bE=
`;

function prepareGo(directory: string): readonly string[] | string {
  const go = findProgram(['go', '/usr/local/go/bin/go']);
  if (go === null) return 'go is not installed';
  // A test downloads nothing: `npm test` has filled the module cache.
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOPROXY: 'off' };
  write(directory, 'go.mod', `module example.com/recipe\n\ngo 1.25\n\nrequire ${GO_MODULE} v5.3.1\n`);
  write(directory, 'go.sum', GO_SUM);
  write(directory, 'sallyport/verify.go', recipe('go'));
  write(directory, 'main.go', GO_MAIN);
  const had = spawnSync(go, ['mod', 'download'], { cwd: directory, env, encoding: 'utf8' });
  if (had.status !== 0) return `${GO_MODULE} is not in the module cache of go, or go is older than 1.25`;
  for (const args of [
    ['vet', './...'],
    ['build', '-o', 'main', '.'],
  ]) {
    const built = spawnSync(go, args, { cwd: directory, env, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`go ${args.join(' ')}: ${built.stdout}${built.stderr}`);
  }
  return [join(directory, 'main')];
}

const GO_MAIN = `package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"

	"example.com/recipe/sallyport"
)

func main() {
	verifier := sallyport.NewVerifier(os.Getenv("ISSUER"), "orders", os.Getenv("JWKS_URL"))
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		verdict := map[string]any{"outcome": "refused"}
		if claims, err := verifier.Verify(context.Background(), lines.Text()); err == nil {
			verdict = map[string]any{"outcome": "believed", "subject": claims.Subject, "actor": nil}
			if claims.Actor != nil {
				verdict["actor"] = claims.Actor.Subject
			}
		} else if errors.Is(err, sallyport.ErrKeysUnavailable) {
			verdict["outcome"] = "unavailable"
		}
		json.NewEncoder(os.Stdout).Encode(verdict)
	}
}
`;

function preparePython(directory: string): readonly string[] | string {
  const has = 'import jwt, cryptography; assert tuple(int(n) for n in jwt.__version__.split(".")[:2]) >= (2, 6)';
  const python = ['python3', '/usr/bin/python3']
    .map((name) => findProgram([name]))
    .find((path) => path !== null && spawnSync(path, ['-c', has]).status === 0);
  if (python === undefined || python === null) return 'there is no Python with PyJWT 2.6 and cryptography';
  write(directory, 'recipe.py', recipe('python'));
  write(directory, 'main.py', PYTHON_MAIN);
  return [python, '-u', 'main.py'];
}

const PYTHON_MAIN = `
import json, os, sys
import jwt
from recipe import KeysUnavailable, Verifier

verifier = Verifier(os.environ["ISSUER"], "orders", os.environ["JWKS_URL"])
for line in sys.stdin:
    try:
        claims = verifier.verify(line.rstrip("\\n"))
        verdict = {"outcome": "believed", "subject": claims["sub"], "actor": claims.get("act", {}).get("sub")}
    except jwt.InvalidTokenError:
        verdict = {"outcome": "refused"}
    except KeysUnavailable:
        verdict = {"outcome": "unavailable"}
    print(json.dumps(verdict))
`;

/** The gateway's key set, at an address where requests are counted and can be left unanswered. */
class CountedKeys implements AsyncDisposable {
  requests = 0;
  isDown = false;
  /** A key that is published beside the gateway's own. */
  extra: JWK | null = null;
  readonly #server: Server;

  private constructor(jwksUrl: string) {
    this.#server = createServer((_request, response) => {
      this.requests += 1;
      if (this.isDown) return void response.writeHead(503).end();
      void fetch(jwksUrl).then(async (answer) => {
        response.writeHead(answer.status, { 'Cache-Control': answer.headers.get('cache-control') ?? '' });
        const { keys } = (await answer.json()) as { keys: JWK[] };
        response.end(JSON.stringify({ keys: this.extra === null ? keys : [...keys, this.extra] }));
      });
    });
  }

  static async start(jwksUrl: string): Promise<CountedKeys> {
    const keys = new CountedKeys(jwksUrl);
    await new Promise<void>((resolve) => keys.#server.listen(0, '127.0.0.1', resolve));
    return keys;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/.well-known/jwks.json`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A running recipe. */
class RunningRecipe implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #verdicts: AsyncIterator<string>;
  #stderr = '';

  constructor([program = '', ...args]: readonly string[], directory: string, jwksUrl: string) {
    const env = { ...process.env, ISSUER, JWKS_URL: jwksUrl };
    this.#child = spawn(program, args, { cwd: directory, env });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.#verdicts = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async judge(authorization: string): Promise<Verdict> {
    this.#child.stdin.write(`${authorization}\n`);
    const { value, done } = await this.#verdicts.next();
    if (done === true) throw new Error(`the recipe ended: ${this.#stderr}`);
    return JSON.parse(value) as Verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

let gateway: TestGateway;
let upstream: RecordingUpstream;
let jwksUrl: string;
let cookie: string;

beforeAll(async () => {
  upstream = await RecordingUpstream.start();
  gateway = await startGateway({
    upstream: upstream.origin,
    config: { upstreamToken: { jwksMaxAge: '1s' } },
    routes: ['orders', 'cart'].map((name) => ({
      id: name,
      match: { path: `/${name}` },
      credential: 'session',
      audience: name,
    })),
  });
  jwksUrl = `http://127.0.0.1:${gateway.port}/.well-known/jwks.json`;
  cookie = await gateway.cookie();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** The Authorization header that the upstream of a route got. */
async function sentTo(audience: string): Promise<string> {
  await rawRequest(gateway.port, requestHead('GET', `/${audience}`, ['Host: shop.example.com', cookie]));
  return upstream.last.values('authorization')[0] ?? '';
}

const nowSec = () => Math.floor(Date.now() / 1_000);

/** A header with a token that is signed with the gateway's key, and valid except for these members. */
async function signed(
  claims: JWTPayload & { act?: unknown } = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const { kid, key, algorithm } = gateway.gateway.longLived.signingKeys.keyring.active();
  const payload = { iss: ISSUER, sub: 'bob', aud: 'orders', iat: nowSec(), exp: nowSec() + 120, ...claims };
  const compact = await new SignJWT(payload)
    .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT', ...header })
    .sign(key);
  return `Bearer ${compact}`;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Headers that must be refused. */
const BAD: Readonly<Record<string, () => Promise<string>>> = {
  'JWT-54: a token that the gateway sent to another service': () => sentTo('cart'),
  'JWT-36: a token for another service': () => signed({ aud: 'cart' }),
  'JWT-36: a token without an audience': () => signed({ aud: undefined as unknown as string }),
  'JWT-35: a token from another issuer': () => signed({ iss: 'https://other.example.com' }),
  'an expired token': () => signed({ iat: nowSec() - 1_000, exp: nowSec() - 900 }),
  'JWT-28: a token that never expires': () => signed({ exp: undefined as unknown as number }),
  'JWT-31: a token from the future': () => signed({ iat: nowSec() + 900, exp: nowSec() + 1_000 }),
  'JWT-33: a token of another type': () => signed({}, { typ: 'logout+jwt' }),
  'a token without sub': () => signed({ sub: undefined as unknown as string }),
  'a token with changed claims': async () => {
    const [header, payload = '', signature] = (await signed()).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    return `${header}.${encode({ ...claims, sub: 'eve' })}.${signature}`;
  },
  'JWT-01: an unsigned token': async () => {
    const [, payload] = (await signed()).split('.');
    return `Bearer ${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`;
  },
  'JWT-05: a token signed with the public key as a secret': async () => {
    const { kid } = gateway.gateway.longLived.signingKeys.keyring.active();
    const [jwk] = ((await (await fetch(jwksUrl)).json()) as { keys: object[] }).keys;
    const secret = Buffer.from(JSON.stringify(jwk));
    const payload = { iss: ISSUER, sub: 'bob', aud: 'orders', iat: nowSec(), exp: nowSec() + 120 };
    return `Bearer ${await new SignJWT(payload).setProtectedHeader({ alg: 'HS256', kid }).sign(secret)}`;
  },
  'JWT-12: a token with its own key': async () => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ]);
    const { kid } = gateway.gateway.longLived.signingKeys.keyring.active();
    const payload = { iss: ISSUER, sub: 'bob', aud: 'orders', iat: nowSec(), exp: nowSec() + 120 };
    const header = { alg: 'ES256', kid, jwk: await exportJWK(publicKey) };
    return `Bearer ${await new SignJWT(payload).setProtectedHeader(header).sign(privateKey)}`;
  },
  'JWT-10: a token whose kid is a number': () => signed({}, { kid: 7 }),
  'JWT-57: a token in another scheme': async () => (await signed()).replace('Bearer', 'Basic'),
  'JWT-20: not a token': async () => 'Bearer nonsense',
};

describe.each(Object.keys(KITCHENS))('the recipe %s', (name) => {
  const kitchen = KITCHENS[name]!;
  const directory = mkdtempSync(join(tmpdir(), `sallyport-recipe-${name}-`));
  let prepared: readonly string[] | string;
  beforeAll(() => {
    prepared = kitchen.prepare(directory);
  }, BUILD_TIMEOUT_MS);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function run({ skip }: TestContext, url: string): RunningRecipe {
    if (typeof prepared === 'string') return skip(prepared);
    return new RunningRecipe(prepared, directory, url);
  }

  test('accepts a token that the gateway sent to this service, and refuses all others', async (context) => {
    await using running = run(context, jwksUrl);
    expect(await running.judge(await sentTo('orders'))).toEqual({ outcome: 'believed', subject: 'bob', actor: null });
    const exchanged = await signed({ act: { sub: 'cart', act: { sub: 'web' } } }, { typ: 'at+jwt' });
    expect(await running.judge(exchanged)).toEqual({ outcome: 'believed', subject: 'bob', actor: 'cart' });
    for (const [title, make] of Object.entries(BAD)) {
      expect({ title, ...(await running.judge(await make())) }).toEqual({ title, outcome: 'refused' });
    }
  });

  test('JWT-45: fetches the keys once, and once more for any number of unknown kids', async (context) => {
    await using keys = await CountedKeys.start(jwksUrl);
    await using running = run(context, keys.url);
    for (let count = 0; count < 5; count += 1) {
      expect(await running.judge(await signed({ jti: `${count}` }))).toMatchObject({ outcome: 'believed' });
    }
    if (!kitchen.readsCacheControl) expect(keys.requests).toBe(1);
    const before = keys.requests;
    const sinceMs = performance.now();
    for (let count = 0; count < 20; count += 1) {
      expect(await running.judge(await signed({}, { kid: `k${count}` }))).toEqual({ outcome: 'refused' });
    }
    const tookMs = performance.now() - sinceMs;
    const forUnknownKids = 1 + Math.floor(tookMs / COOL_DOWN_MS);
    // Those that read Cache-Control fetch again after a second anyway, and the first second may have begun before.
    const forMaxAge = kitchen.readsCacheControl ? 1 + Math.floor(tookMs / 1_000) : 0;
    expect(keys.requests - before).toBeLessThanOrEqual(forUnknownKids + forMaxAge);
    expect(await running.judge(await signed())).toMatchObject({ outcome: 'believed' });
  });

  if (kitchen.readsCacheControl)
    test('fetches the keys again after the max-age of Cache-Control', async (context) => {
      await using keys = await CountedKeys.start(jwksUrl);
      await using running = run(context, keys.url);
      expect(await running.judge(await signed())).toMatchObject({ outcome: 'believed' });
      const judge = async () => (await running.judge(await signed())).outcome;
      await until(async () => (await judge()) === 'believed' && keys.requests > 1, 'the keys were asked for again');
      // And if that fails, it uses the previous ones.
      keys.isDown = true;
      const before = keys.requests;
      await until(
        async () => (await judge()) === 'believed' && keys.requests > before,
        'the keys were asked for in vain',
      );
      expect(await judge()).toBe('believed');
    });

  if (kitchen.readsCacheControl)
    test('JWT-48: accepts a newly published key until it is withdrawn', async (context) => {
      await using keys = await CountedKeys.start(jwksUrl);
      await using running = run(context, keys.url);
      expect(await running.judge(await signed())).toMatchObject({ outcome: 'believed' });
      const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
      const byNewKey = `Bearer ${await new SignJWT({
        iss: ISSUER,
        sub: 'bob',
        aud: 'orders',
        iat: nowSec(),
        exp: nowSec() + 60,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'next', typ: 'JWT' })
        .sign(privateKey)}`;
      keys.extra = { ...(await exportJWK(publicKey)), kid: 'next', use: 'sig' };
      expect(await running.judge(byNewKey)).toMatchObject({ outcome: 'believed' });
      // Withdrawn: accepted for as long as the set may be cached, a second here.
      keys.extra = null;
      await until(async () => (await running.judge(byNewKey)).outcome === 'refused', 'the key is gone');
    });

  test('JWT-46: reports that it has no keys, and does not blame the token', async (context) => {
    await using keys = await CountedKeys.start(jwksUrl);
    keys.isDown = true;
    await using running = run(context, keys.url);
    expect(await running.judge(await signed())).toEqual({ outcome: 'unavailable' });
  });
});

test('every recipe on the pages is tested', () => {
  expect([...PAGES.matchAll(/^```\w+ recipe=(\w+)$/gm)].map(([, name]) => name).toSorted()).toEqual(
    Object.keys(KITCHENS).toSorted(),
  );
  expect(PAGES.match(/^```(?:js|go|python)$/gm)).toBeNull();
});
