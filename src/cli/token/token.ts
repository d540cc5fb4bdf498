/** token: `sallyport token inspect|verify` shows the contents of a JWT, and verifies it with a key set. */

import { resolve } from 'node:path';
import { ConfigFault } from '../../errors.ts';
import type { DecodedToken } from '../../jwt/compact.ts';
import type { FixedKeySet } from '../../jwt/key-set.ts';
import type { KeyRules } from '../../jwt/verification-keys.ts';
import { isLoopbackHost } from '../../lib/address.ts';
import { jsonOf } from '../../lib/text/json.ts';
import { toTimestamp } from '../../lib/text/timestamp.ts';
import { formatDuration, parseDurationMs } from '../../lib/text/units.ts';
import { type CliIo, defineCommand, EXIT, type OptionValues, UsageFault } from '../command.ts';
import { JSON_OPTION } from '../io/configuration.ts';
import { readAll } from '../io/input.ts';
import { show } from '../io/output.ts';
import { withoutScheme } from './token-input.ts';

const TOKEN_ARGUMENT = {
  name: 'TOKEN',
  isOptional: true,
  description:
    'The token, with or without "Bearer ". Default: standard input, which other users of the machine cannot see.',
} as const;

async function readToken(given: string | undefined, io: CliIo): Promise<string> {
  const token = withoutScheme(given ?? (await readAll(io.stdin)));
  if (token === '') throw new ConfigFault('standard input is empty: give a token there, or as TOKEN');
  return token;
}

/** `sallyport token inspect`. */
export const tokenInspect = defineCommand({
  name: 'token inspect',
  summary: 'Decode a JWT without verifying it',
  description: ['Shows header and claims. Anyone can forge them: use "token verify" before you trust them.'],
  args: [TOKEN_ARGUMENT],
  options: { json: JSON_OPTION },
  examples: [['pbpaste | sallyport token inspect', 'Header and claims of the token in the clipboard']],
  exit: { ok: 'decoded', failed: 'it is not a JWT in the strict compact form' },
  async run({ options, args, io }) {
    const decoded = await decode(await readToken(args[0], io));
    const { wallMs } = io.clocks;
    const words = `not verified: anyone could have written this\n${describe(decoded, wallMs())}`;
    show(io, options.json, { verified: false, ...decoded }, words);
    return EXIT.ok;
  },
});

/** Options that are the rules, where no configuration has them. */
const RULE_OPTIONS = {
  jwks: {
    type: 'string',
    value: 'FILE|URL',
    description: 'Keys of the issuer, a JWK Set; https, or http on this machine.',
  },
  issuer: { type: 'string', value: 'ISS', description: 'Exact `iss`.' },
  audience: { type: 'string', value: 'AUD', multiple: true, description: 'Accepted `aud`.' },
  algorithm: {
    type: 'string',
    value: 'ALG',
    multiple: true,
    description: 'Accepted algorithm.',
    default: 'ES256, EdDSA, RS256 and PS256',
  },
  type: { type: 'string', value: 'TYP', multiple: true, description: 'Accepted `typ`.', default: 'JWT and at+jwt' },
  'max-lifetime': { type: 'string', value: 'DURATION', description: 'Longest `exp` − `iat`.', default: '1h' },
  'clock-skew': { type: 'string', value: 'DURATION', description: 'Leeway for times.', default: '30s' },
} as const;

interface VerifyOptions extends OptionValues<typeof RULE_OPTIONS> {
  readonly config: string | undefined;
}

/** `sallyport token verify`. */
export const tokenVerify = defineCommand({
  name: 'token verify',
  summary: 'Verify a JWT by the rules of the gateway for service tokens',
  description: [
    'Checks the strict compact form, pinned algorithms, exact issuer and audience, type, finite times and a maximum lifetime. A gateway with the same rules accepts the same tokens. A service behind the gateway should make the same checks.',
    'Give the rules one by one, with --jwks, --issuer and --audience, or a configuration with --config: then the token is judged by its issuers, with their keys and rules. The store is not asked whether the token was revoked or its session has ended.',
  ],
  args: [TOKEN_ARGUMENT],
  options: {
    config: {
      type: 'string',
      short: 'c',
      value: 'FILE',
      description: 'Configuration whose issuers judge the token, instead of the options below.',
    },
    ...RULE_OPTIONS,
    json: JSON_OPTION,
  },
  examples: [
    [
      'sallyport token verify --jwks http://localhost:8080/.well-known/jwks.json --issuer https://shop.example.com --audience orders',
      'What a service behind the gateway got, from standard input',
    ],
    ['sallyport token verify --config sallyport.yaml', 'What a workload presents to this gateway'],
  ],
  exit: { ok: 'valid', failed: 'invalid, or the keys are unavailable' },
  async run({ options, args, io }) {
    const verdict =
      options.config === undefined ? await judge(options, args, io) : await judgeByConfig(options, args, io);
    const { token, problem, issuer } = verdict;
    if (problem !== null) {
      if (options.json) io.stdout.write(`${JSON.stringify({ verified: false, problem }, null, 2)}\n`);
      else io.stderr.write(`not verified: ${problem}\n`);
      return EXIT.failed;
    }
    const decoded = await decode(token);
    const about = issuer === null ? {} : { issuer };
    const words = `verified${issuer === null ? '' : `, a token of ${issuer}`}\n${describe(decoded, io.clocks.wallMs())}`;
    show(io, options.json, { verified: true, ...about, ...decoded }, words);
    return EXIT.ok;
  },
});

interface Judged {
  readonly token: string;
  /** `null` when it is verified. */
  readonly problem: string | null;
  /** Name of the issuer in the configuration; `null` where there is none. */
  readonly issuer: string | null;
}

/** By the rules of a configuration. */
async function judgeByConfig(options: VerifyOptions, args: readonly string[], io: CliIo): Promise<Judged> {
  const { config = '', ...rules } = options;
  const given = (Object.keys(RULE_OPTIONS) as (keyof typeof RULE_OPTIONS)[]).find(
    (name) => (rules[name]?.length ?? 0) > 0,
  );
  if (given !== undefined) throw new UsageFault(`--${given} does not go with --config`);
  if (config === '-' && args[0] === undefined)
    throw new UsageFault('the configuration and the token cannot both be on standard input');
  const token = await readToken(args[0], io);
  const { verifyByConfiguration } = await import('./verify-by-configuration.ts');
  const verdict = await verifyByConfiguration(token, config, io);
  return { token, problem: null, issuer: null, ...verdict };
}

/** By the rules of the options. */
async function judge(options: VerifyOptions, args: readonly string[], io: CliIo): Promise<Judged> {
  const { jwks, issuer, audience } = options;
  if (jwks === undefined || issuer === undefined || audience.length === 0) {
    const missing = jwks === undefined ? 'jwks' : issuer === undefined ? 'issuer' : 'audience';
    throw new UsageFault(`--${missing} is missing; or give --config instead`);
  }
  const { REFUSALS } = await import('../../authentication/service-token/refusal.ts');
  const { serviceTokenProfile } = await import('../../jwt/profiles.ts');
  const { verify } = await import('../../jwt/verify.ts');
  const token = await readToken(args[0], io);
  const profile = serviceTokenProfile({
    issuer,
    audiences: audience,
    algorithms: options.algorithm.length > 0 ? options.algorithm : ['ES256', 'EdDSA', 'RS256', 'PS256'],
    types: options.type.length > 0 ? options.type : ['JWT', 'at+jwt'],
    authorizedParties: null,
    maxLifetimeMs: durationMs('--max-lifetime', options['max-lifetime'] ?? '1h'),
    clockSkewMs: durationMs('--clock-skew', options['clock-skew'] ?? '30s'),
  });
  const keys = await readKeys(jwks, { algorithms: profile.algorithms, use: 'sig' }, io);
  const verdict = await verify(token, keys, profile, io.clocks.wallMs());
  return { token, problem: typeof verdict === 'string' ? REFUSALS[verdict].note : null, issuer: null };
}

async function decode(token: string): Promise<DecodedToken> {
  const { decodeCompact } = await import('../../jwt/compact.ts');
  const decoded = decodeCompact(token);
  if (decoded !== null) return decoded;
  throw new ConfigFault(
    'not a JWT in the strict compact form: three parts of canonical base64url, JSON objects without duplicate members, no header that brings a key',
  );
}

function describe({ header, payload }: DecodedToken, nowMs: number): string {
  const times = ['iat', 'nbf', 'exp'].flatMap((name) => {
    const seconds = payload[name];
    if (typeof seconds !== 'number' || !Number.isSafeInteger(seconds) || Math.abs(seconds) > 8e12) return [];
    const awayMs = Math.round((seconds * 1_000 - nowMs) / 1_000) * 1_000;
    const away = awayMs >= 0 ? `in ${formatDuration(awayMs)}` : `${formatDuration(-awayMs)} ago`;
    return [`${name}  ${toTimestamp(seconds * 1_000)}, ${away}\n`];
  });
  return `${JSON.stringify(header, null, 2)}\n${JSON.stringify(payload, null, 2)}\n${times.join('')}`;
}

function durationMs(option: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms === null) throw new UsageFault(`${option} is not a duration, such as 30s or 1h`);
  return ms;
}

async function readKeys(place: string, rules: KeyRules, io: CliIo): Promise<FixedKeySet> {
  const { fixedKeySet } = await import('../../authentication/service-token/fixed-keys.ts');
  return fixedKeySet(place, /^https?:\/\//.test(place) ? await fetchKeys(place) : await readKeyFile(place, io), rules);
}

async function readKeyFile(place: string, io: CliIo): Promise<unknown> {
  const { readConfigText } = await import('../../config/load.ts');
  const document = jsonOf(readConfigText(resolve(io.cwd, place), place));
  if (document === undefined) throw new ConfigFault(`${place} is not JSON`);
  return document;
}

const FETCH_TIMEOUT_MS = 10_000;

async function fetchKeys(place: string): Promise<unknown> {
  const { jsonFetcher } = await import('../../jwt/fetch-json.ts');
  const url = new URL(place);
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    throw new ConfigFault(`${place}: keys are fetched over https only, or over http from this machine`);
  }
  return jsonFetcher({ timeoutMs: FETCH_TIMEOUT_MS, ca: null, bearer: null })(place).catch((cause: Error) => {
    throw new ConfigFault(`${place}: ${cause.message}`, { cause });
  });
}
