/** `sallyport token revoke`: makes every verifier refuse tokens that have not expired. */

import type { TokenRevocationReport } from '../admin/control.ts';
import { ADMIN_OPTIONS, callAdmin, findAdmin, hasStrings, requireShape, TOKEN_FILE_OPTION } from './admin-client.ts';
import { type CliIo, defineCommand, EXIT, UsageFault } from './command.ts';
import { JSON_OPTION, readAll } from './configuration.ts';
import { withoutScheme } from './token.ts';

const NAME = 'token revoke';

/** Body of POST /api/token-revocations. */
type Revocation = Readonly<Record<string, string | number>>;

interface Options {
  readonly jti: string | undefined;
  readonly exp: string | undefined;
  readonly session: string | undefined;
  readonly subject: string | undefined;
  readonly issuer: string | undefined;
  readonly lifetime: string | undefined;
}

/** `sallyport token revoke`. */
export const tokenRevoke = defineCommand({
  name: NAME,
  summary: 'Make every verifier refuse tokens that have not expired',
  description: [
    'Uses the admin API of a running gateway. Every gateway and sidecar with the same store refuses the tokens within a second; a verifier without a store accepts them until they expire.',
    'Select tokens with one of --jti, --session and --subject. Without any, a token is read from standard input and revoked by its `jti`; never from an argument, which other users of the machine can see.',
  ],
  options: {
    ...ADMIN_OPTIONS,
    'token-file': TOKEN_FILE_OPTION,
    jti: { type: 'string', value: 'ID', description: 'One token, by its `jti`.' },
    exp: {
      type: 'string',
      value: 'SECONDS',
      description: 'With --jti: its `exp`, so that the record is dropped when the token expires.',
    },
    session: {
      type: 'string',
      value: 'HANDLE',
      description: 'End a session and refuse every token with its `sid`; "sessions list" shows handles.',
    },
    subject: {
      type: 'string',
      value: 'SUBJECT',
      description:
        'Every token with this `sub` or `act.sub` that was issued before now. Its sessions continue, and get new tokens.',
    },
    issuer: {
      type: 'string',
      value: 'ISS',
      description: 'With --jti or --subject: only tokens with this `iss`.',
      default: 'every issuer',
    },
    lifetime: {
      type: 'string',
      value: 'DURATION',
      description:
        'With --jti or --subject: the longest lifetime of such a token, if another verifier accepts longer ones than this gateway.',
      default: 'the longest that the gateway makes or accepts, an hour at least',
    },
    json: JSON_OPTION,
  },
  examples: [
    ['pbpaste | sallyport token revoke', 'One leaked token'],
    [
      'sallyport token revoke --subject system:serviceaccount:shop:cart --lifetime 24h',
      'All that a service holds; it gets new ones',
    ],
    [
      'sallyport token revoke --session 7PhQ6unHYLMf49FT9ZCzI-_tlKDgcQC9O4nPrUxZOfY',
      'A session and all that stands for it',
    ],
  ],
  exit: { ok: 'refused from now on, or expired already', failed: 'the gateway cannot be asked, or refuses' },
  async run({ options, io }) {
    const body = await (revocationOf(options) ?? revocationOfToken(options, io));
    const place = await findAdmin(NAME, options, io);
    const answer = await callAdmin('POST', '/api/token-revocations', place, options['token-file'], io, body);
    const report = requireShape(answer, isReport, place);
    io.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : inWords(report));
    return EXIT.ok;
  },
});

/** @returns `null` when the token is on standard input */
function revocationOf(options: Options): Promise<Revocation> | null {
  const { jti, session, subject, issuer, exp, lifetime } = options;
  const given = [jti, session, subject].filter((value) => value !== undefined).length;
  if (given > 1) throw new UsageFault('give one of --jti, --session and --subject', NAME);
  if (session !== undefined && (issuer ?? lifetime) !== undefined)
    throw new UsageFault('--session goes with neither --issuer nor --lifetime', NAME);
  if (exp !== undefined && jti === undefined) throw new UsageFault('--exp goes with --jti', NAME);
  if (exp !== undefined && lifetime !== undefined) throw new UsageFault('give one of --exp and --lifetime', NAME);
  if (session !== undefined) return Promise.resolve({ session });
  if (jti !== undefined) return withLimits({ jti }, options);
  return subject === undefined ? null : withLimits({ subject }, options);
}

async function withLimits(body: Revocation, { issuer, exp, lifetime }: Options): Promise<Revocation> {
  if (exp !== undefined && !/^[1-9]\d{0,10}$/.test(exp)) throw new UsageFault('--exp is not a number of seconds', NAME);
  return {
    ...body,
    ...(issuer !== undefined && { issuer }),
    ...(exp !== undefined && { exp: Number(exp) }),
    ...(lifetime !== undefined && { lifetimeSec: await seconds(lifetime) }),
  };
}

async function seconds(text: string): Promise<number> {
  const { parseDurationMs } = await import('../lib/duration.ts');
  const ms = parseDurationMs(text);
  if (ms === null || ms < 1_000) throw new UsageFault('--lifetime is not a duration, such as 10m or 24h', NAME);
  return Math.ceil(ms / 1_000);
}

/** Does not verify the token: an operator may revoke any `jti`. */
async function revocationOfToken({ issuer, lifetime }: Options, io: CliIo): Promise<Revocation> {
  if ((issuer ?? lifetime) !== undefined)
    throw new UsageFault('--issuer and --lifetime go with --jti or --subject: a token contains them', NAME);
  if (io.stdin.isTTY === true)
    throw new UsageFault('give --jti, --session or --subject, or a token on standard input', NAME);
  const { decodeCompact } = await import('../jwt/compact.ts');
  const { ConfigFault } = await import('../errors.ts');
  const decoded = decodeCompact(withoutScheme(await readAll(io.stdin)));
  if (decoded === null) throw new ConfigFault('not a JWT in the strict compact form: nothing was revoked');
  const { jti, iss, exp } = decoded.payload;
  if (typeof jti !== 'string' || jti === '')
    throw new ConfigFault('the token has no jti: revoke what its subject holds, with --subject');
  return {
    jti,
    ...(typeof iss === 'string' && iss !== '' && { issuer: iss }),
    ...(Number.isSafeInteger(exp) && (exp as number) > 0 && { exp: exp as number }),
  };
}

const isReport = (answer: unknown): answer is TokenRevocationReport =>
  hasStrings(answer, ['kind', 'until']) &&
  Object.hasOwn(WHAT, String(answer['kind'])) &&
  typeof answer['hasExpired'] === 'boolean';

const WHAT = {
  token: 'the token is refused',
  session: 'the session has ended, and its tokens are refused',
  subject: 'tokens of the subject that were issued before now are refused',
} as const;

const inWords = ({ kind, until, hasExpired }: TokenRevocationReport) =>
  hasExpired ? 'the token has expired already\n' : `${WHAT[kind]}; on record until ${until}\n`;
