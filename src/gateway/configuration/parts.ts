/**
 * The parts of the gateway that have something to say about a configuration: the one list in which a new part is named.
 * Each brings the codes of its findings and the rules between its keys; its keys are composed in `schema.ts`, and what
 * it opens in `compile.ts`.
 */

import * as admin from '../../admin/lint.ts';
import * as revocation from '../../authentication/revocation/lint.ts';
import * as serviceToken from '../../authentication/service-token/lint.ts';
import * as session from '../../authentication/session/lint.ts';
import { codes as sessionCodes } from '../../authentication/session/section.ts';
import * as authorization from '../../authorization/lint.ts';
import * as authorizer from '../../authorizer/lint.ts';
import { codes as configCodes } from '../../config/findings/codes.ts';
import type { Code } from '../../config/findings/problem.ts';
import * as cors from '../../cors/lint.ts';
import { codes as corsCodes } from '../../cors/section.ts';
import * as login from '../../endpoints/login/lint.ts';
import * as oidc from '../../endpoints/login/oidc/lint.ts';
import * as stepUp from '../../endpoints/login/step-up/lint.ts';
import * as refresh from '../../endpoints/refresh/lint.ts';
import * as token from '../../endpoints/token/lint.ts';
import * as listener from '../../listener/lint.ts';
import * as outbound from '../../outbound/lint.ts';
import { codes as outboundCodes } from '../../outbound/section.ts';
import * as pages from '../../pages/lint.ts';
import * as coverage from '../../routing/coverage.ts';
import * as routing from '../../routing/lint.ts';
import * as sanitize from '../../sanitize/lint.ts';
import * as store from '../../store/lint.ts';
import * as traces from '../../telemetry/traces/lint.ts';
import * as upstreamToken from '../../token/lint.ts';
import * as upstream from '../../upstream/lint.ts';
import * as processes from '../lint.ts';

/** The parts, in the order in which their rules run; findings are in the order of the file anyway. */
export const PARTS = [
  { name: 'processes', codes: processes.codes, lint: processes.lint },
  { name: 'listeners', codes: listener.codes, lint: listener.lint },
  { name: 'authorizer', codes: authorizer.codes, lint: authorizer.lint },
  { name: 'admin', codes: admin.codes, lint: admin.lint },
  { name: 'store', codes: store.codes, lint: store.lint },
  { name: 'session', codes: sessionCodes, lint: session.lint },
  { name: 'login', codes: login.codes, lint: login.lint },
  { name: 'login.oidc', codes: oidc.codes, lint: oidc.lint },
  { name: 'pages', codes: pages.codes, lint: pages.lint },
  { name: 'refresh', codes: refresh.codes, lint: refresh.lint },
  { name: 'sanitize', codes: sanitize.codes, lint: sanitize.lint },
  { name: 'upstreamToken', codes: upstreamToken.codes, lint: upstreamToken.lint },
  { name: 'tokenEndpoint', codes: token.codes, lint: token.lint },
  { name: 'issuers', codes: serviceToken.codes, lint: serviceToken.lint },
  { name: 'revocation', codes: revocation.codes, lint: revocation.lint },
  { name: 'upstreams', codes: upstream.codes, lint: upstream.lint },
  { name: 'routes', codes: routing.codes, lint: routing.lint },
  { name: 'cors', codes: corsCodes, lint: cors.lint },
  { name: 'coverage', codes: coverage.codes, lint: coverage.lint },
  { name: 'allow', codes: authorization.codes, lint: authorization.lint },
  { name: 'require', codes: stepUp.codes, lint: stepUp.lint },
  { name: 'outbound', codes: outboundCodes, lint: outbound.lint },
  { name: 'traces', codes: traces.codes, lint: traces.lint },
] as const;

type CodesOf<T> = T extends unknown ? keyof T : never;

/** The name of a code of any part, or of the mechanism. */
type ProblemCode = CodesOf<(typeof PARTS)[number]['codes']> | keyof typeof configCodes;

const ALL = [configCodes, ...PARTS.map(({ codes }) => codes)].flatMap((codes): Code[] => Object.values(codes));

/** All codes by name, in the order of the alphabet. */
export const PROBLEM_CODES = Object.fromEntries(
  ALL.toSorted((a, b) => (a.code < b.code ? -1 : 1)).map((code) => [code.code, code]),
) as Readonly<Record<ProblemCode, Code>>;

/** The codes of warnings: what `acceptWarnings` can name. */
export const WARNING_CODES: readonly ProblemCode[] = Object.values(PROBLEM_CODES)
  .filter(({ severity }) => severity === 'warning')
  .map(({ code }) => code as ProblemCode);
