/** Reads and opens the login of one configuration: the ways to log in, and the endpoints that open, show and end sessions. */

import { type KnownClient, readClient } from '../../authentication/client/clients.ts';
import type { ServiceTokens } from '../../authentication/service-token/service-tokens.ts';
import type { SessionConfig } from '../../authentication/session/section.ts';
import type { Sessions } from '../../authentication/session/sessions.ts';
import { csrfRules, unsafeOriginProblem } from '../../authorization/csrf.ts';
import type { CsrfConfig } from '../../authorization/section.ts';
import type { FileReader } from '../../config/named-files.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Responder } from '../../response/respond.ts';
import { canonicalTarget } from '../../sanitize/target.ts';
import type { AttemptStore } from '../../store/store.ts';
import type { AuditLog } from '../../telemetry/audit.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { EndpointRow } from '../endpoints.ts';
import type { Refresh } from '../refresh/open-refresh.ts';
import { type LoginWays, loginEndpoints } from './login.ts';
import type { LoginParts } from './login-parts.ts';
import { SessionOpener } from './open-session.ts';
import type { PasswordHasher } from './password/hasher.ts';
import { KnownDevices } from './password/known-device.ts';
import { PasswordLogin } from './password/password-login.ts';
import { NO_USERS, readUsersFile, UsersFile, type UsersVersion } from './password/users-file.ts';
import { ReturnTargets } from './return-target.ts';
import type { LoginConfig } from './section.ts';
import type { LoginSeries } from './series.ts';
import { clearSessionCookie } from './session-cookie.ts';
import { TrustedBackends } from './trusted-backends.ts';

/** The sections that login reads. */
interface LoginSections {
  readonly login: LoginConfig;
  readonly basePath: string;
  readonly session: Pick<SessionConfig, 'cookie'>;
  readonly csrf: CsrfConfig;
  readonly listeners: {
    readonly public: {
      readonly limits: { readonly maxTargetBytes: number };
      readonly timeouts: { readonly bodyIdle: number };
    };
  };
}

interface LoginSurroundings {
  readonly responder: Responder;
  readonly sessions: Sessions;
  readonly serviceTokens: ServiceTokens;
  readonly passwordHasher: PasswordHasher;
  readonly attempts: AttemptStore;
  readonly audit: AuditLog;
  readonly log: Logger;
  readonly series: { readonly logins: LoginSeries };
  readonly clocks: Clocks;
  /** Refresh tokens; `null` when there are none. */
  readonly refresh: Refresh | null;
}

/** What is in the files of the section. */
export interface LoginFiles {
  readonly users: UsersVersion;
  readonly backends: readonly KnownClient[];
}

/** Reads the files of the section. */
export async function readLogin({ password, trustedBackends }: LoginConfig, reader: FileReader): Promise<LoginFiles> {
  const at = ['login', 'trustedBackends'];
  const [users, ...backends] = await Promise.all([
    reader.read(['login', 'password', 'usersFile'], password?.usersFile, readUsersFile, NO_USERS),
    ...trustedBackends.map((backend, index) => readClient([...at, index], backend, reader)),
  ]);
  return { users, backends };
}

/** The login of one configuration. */
export interface Login {
  readonly parts: LoginParts;
  /** Of login, logout, sessions and refresh. */
  readonly endpoints: readonly EndpointRow[];
  /** `null` where nobody logs in with a password. */
  readonly usersFile: UsersFile | null;
}

/** Opens login, logout, sessions and refresh. */
export function openLogin(sections: LoginSections, files: LoginFiles, surroundings: LoginSurroundings): Login {
  const { log, series } = surroundings;
  const { password } = sections.login;
  const usersFile =
    password === undefined
      ? null
      : new UsersFile(password.usersFile, files.users, (problem) =>
          log.error({ problem }, 'users file kept as it was'),
        );
  series.logins.readFrom(usersFile);
  const ways = waysOf(sections.login, usersFile, files.backends, surroundings);
  const parts = partsOf(sections, surroundings);
  return { parts, endpoints: loginEndpoints(parts, ways), usersFile };
}

function partsOf(
  { basePath, session, csrf, listeners }: LoginSections,
  { responder, sessions, audit, series, refresh }: LoginSurroundings,
): LoginParts {
  const { cookie } = session;
  const { limits, timeouts } = listeners.public;
  const rules = csrfRules(csrf);
  const programRules = { ...rules, allowMissingOrigin: true };
  return {
    basePath,
    responder,
    sessions,
    opener: new SessionOpener(sessions, cookie, audit),
    audit,
    series: series.logins,
    originProblem: (request, sender) => unsafeOriginProblem(request, sender === 'program' ? programRules : rules),
    returnTargets: new ReturnTargets((target) => canonicalTarget(target, '', limits.maxTargetBytes), basePath),
    clearCookieLine: clearSessionCookie(cookie),
    refresh,
    bodyTimeoutMs: timeouts.bodyIdle,
  };
}

function waysOf(
  login: LoginConfig,
  usersFile: UsersFile | null,
  backends: readonly KnownClient[],
  { passwordHasher, attempts, clocks, serviceTokens }: LoginSurroundings,
): LoginWays {
  const { password, throttle, title, page } = login;
  const { maxDelay: maxDelayMs, window: windowMs } = throttle;
  const rules = (freeAttempts: number) => ({ freeAttempts, maxDelayMs, windowMs });
  return {
    title: title ?? null,
    ownPage: page ?? null,
    passwords:
      password === undefined || usersFile === null
        ? null
        : new PasswordLogin({
            users: usersFile,
            hasher: passwordHasher,
            attempts,
            devices: new KnownDevices(throttle.knownDeviceFor),
            rules: {
              perAccount: rules(throttle.freeAttemptsPerAccount),
              perAccountFromAnywhere: rules(throttle.freeAttemptsFromAnywhere),
              perAddress: rules(throttle.freeAttemptsPerAddress),
              maxQueue: password.maxQueue,
            },
            wallMs: clocks.wallMs,
          }),
    backends:
      backends.length === 0
        ? null
        : new TrustedBackends(backends, login, { serviceTokens, attempts, wallMs: clocks.wallMs }),
  };
}
