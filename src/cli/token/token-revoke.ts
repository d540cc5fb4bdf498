/** `sallyport token revoke`: makes every verifier refuse tokens that have not expired. */

import type { TokenRevocationReport } from '../../admin/control.ts';
import { ConfigFault } from '../../errors.ts';
import { parseDurationMs } from '../../lib/text/units.ts';
import { type CliIo, defineCommand, EXIT, type OptionValues, UsageFault } from '../command.ts';
import { ADMIN_API_OPTIONS, callAdmin, findAdmin, hasStrings, requireShape } from '../io/admin-client.ts';
import { JSON_OPTION } from '../io/configuration.ts';
import { readAll } from '../io/input.ts';
import { show } from '../io/output.ts';
import { withoutScheme } from './token-input.ts';

/** Body of POST /api/token-revocations. */
type Revocation = Readonly<Record<string, string | number>>;

/** Which tokens are meant. */
const SELECTION = {
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
      'Every token with this `sub` or `act.sub` issued before now. The sessions of the subject continue and get new tokens.',
  },
  issuer: {
    type: 'string',
    value: 'ISS',
    description: 'Only tokens with this `iss` (with --jti), or about a subject of this issuer (with --subject).',
    default: 'every issuer',
  },
  lifetime: {
    type: 'string',
    value: 'DURATION',
    description:
      'With --jti or --subject: the longest lifetime of such a token, if another verifier accepts longer ones than this gateway.',
    default: 'the longest that the gateway mints or accepts, at least an hour',
  },
} as const;

type Selection = OptionValues<typeof SELECTION>;

/** `sallyport token revoke`. */
export const tokenRevoke = defineCommand({
  name: 'token revoke',
  summary: 'Make every verifier refuse tokens that have not expired',
  description: [
    'Uses the admin API of a running gateway. Every gateway and sidecar with the same store refuses the tokens within a second; a verifier without a store accepts them until they expire.',
    'Select tokens with one of --jti, --session and --subject. Without any, a token is read from standard input and revoked by its `jti`; never from an argument, which other users of the machine can see.',
  ],
  options: { ...ADMIN_API_OPTIONS, ...SELECTION, json: JSON_OPTION },
  examples: [
    ['pbpaste | sallyport token revoke', 'One leaked token'],
    [
      'sallyport token revoke --subject system:serviceaccount:shop:cart --lifetime 24h',
      'All tokens of a service; it can get new ones',
    ],
    [
      'sallyport token revoke --session 7PhQ6unHYLMf49FT9ZCzI-_tlKDgcQC9O4nPrUxZOfY',
      'A session and every token for it',
    ],
  ],
  exit: { ok: 'refused from now on, or already expired', failed: 'the gateway cannot be asked, or refuses' },
  async run({ options, io }) {
    const body = revocationOf(options) ?? (await revocationOfToken(options, io));
    const place = await findAdmin(options, io);
    const answer = await callAdmin('POST', '/api/token-revocations', place, body);
    const report = requireShape(answer, isReport, place);
    show(io, options.json, report, inWords(report));
    return EXIT.ok;
  },
});

/** @returns `null` when the token is on standard input */
function revocationOf(options: Selection): Revocation | null {
  const { jti, session, subject, issuer, exp, lifetime } = options;
  const given = [jti, session, subject].filter((value) => value !== undefined).length;
  if (given > 1) throw new UsageFault('give one of --jti, --session and --subject');
  if (session !== undefined && (issuer ?? lifetime) !== undefined)
    throw new UsageFault('--session cannot be combined with --issuer or --lifetime');
  if (exp !== undefined && jti === undefined) throw new UsageFault('--exp needs --jti');
  if (exp !== undefined && lifetime !== undefined) throw new UsageFault('give one of --exp and --lifetime');
  if (session !== undefined) return { session };
  if (jti !== undefined) return withLimits({ jti }, options);
  return subject === undefined ? null : withLimits({ subject }, options);
}

function withLimits(body: Revocation, { issuer, exp, lifetime }: Selection): Revocation {
  if (exp !== undefined && !/^[1-9]\d{0,10}$/.test(exp)) throw new UsageFault('--exp is not a number of seconds');
  return {
    ...body,
    ...(issuer !== undefined && { issuer }),
    ...(exp !== undefined && { exp: Number(exp) }),
    ...(lifetime !== undefined && { lifetimeSec: seconds(lifetime) }),
  };
}

function seconds(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === null || ms < 1_000) throw new UsageFault('--lifetime is not a duration, such as 10m or 24h');
  return Math.ceil(ms / 1_000);
}

/** Does not verify the token: an operator may revoke any `jti`. */
async function revocationOfToken({ issuer, lifetime }: Selection, io: CliIo): Promise<Revocation> {
  if ((issuer ?? lifetime) !== undefined)
    throw new UsageFault('--issuer and --lifetime need --jti or --subject; a token on standard input states its own');
  if (io.stdin.isTTY === true) throw new UsageFault('give --jti, --session or --subject, or a token on standard input');
  const { decodeCompact } = await import('../../jwt/compact.ts');
  const decoded = decodeCompact(withoutScheme(await readAll(io.stdin)));
  if (decoded === null) throw new ConfigFault('not a JWT in the strict compact form: nothing was revoked');
  const { jti, iss, exp } = decoded.payload;
  if (typeof jti !== 'string' || jti === '')
    throw new ConfigFault('the token has no jti: use --subject to revoke all tokens of its subject');
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
  hasExpired ? 'the token has already expired\n' : `${WHAT[kind]}; on record until ${until}\n`;
