/** Reads and opens the login of one configuration: the ways to log in, and their endpoints. */

import { Clients, type KnownClient, readClient } from '../../authentication/client/clients.ts';
import { FailedAttempts } from '../../authentication/client/failed-attempts.ts';
import type { ServiceTokens } from '../../authentication/service-token/service-tokens.ts';
import type { LinkedCookies } from '../../authentication/session/linked-cookies.ts';
import type { SessionConfig } from '../../authentication/session/section.ts';
import type { SessionCookies } from '../../authentication/session/session-cookies.ts';
import type { Sessions } from '../../authentication/session/sessions.ts';
import { type CsrfRules, csrfRules, unsafeOriginProblem } from '../../authorization/csrf.ts';
import type { CsrfConfig, Requirement } from '../../authorization/section.ts';
import type { FileReader } from '../../config/files/named-files.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Turns } from '../../lib/concurrency/turns.ts';
import type { Responder } from '../../response/respond.ts';
import { canonicalTarget } from '../../sanitize/target.ts';
import type { AttemptStore, Store } from '../../store/store.ts';
import type { AuditLog } from '../../telemetry/audit.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { EndpointRow } from '../endpoints.ts';
import { SessionOpener } from '../open-session.ts';
import type { EndpointParts, OriginSender } from '../parts.ts';
import type { Refresh } from '../refresh/open-refresh.ts';
import { clearSessionCookie } from '../session-cookie.ts';
import { openHandOver } from './hand-over/open.ts';
import { type LoginWays, loginEndpoints } from './login.ts';
import { type ProviderFiles, readProvider } from './oidc/client-credential.ts';
import { type OpenedProviders, openProviderLogins, openProviders, type ProviderLogins } from './oidc/open.ts';
import { openProviderTokens, type ProviderTokenUses } from './oidc/tokens/open.ts';
import type { PasswordHasher } from './password/hasher.ts';
import { KnownDevices } from './password/known-device.ts';
import { PasswordLogin } from './password/password-login.ts';
import { NO_USERS, readUsersFile, UsersFile, type UsersVersion } from './password/users-file.ts';
import { ReturnTargets } from './return-target.ts';
import type { LoginConfig } from './section.ts';
import type { LoginSeries } from './series.ts';
import { StepUp } from './step-up/step-up.ts';

/** The sections that login reads. */
interface LoginSections {
  readonly login: LoginConfig;
  readonly publicOrigin: readonly string[];
  readonly basePath: string;
  readonly routes: readonly {
    readonly id: string;
    readonly require?: Requirement | undefined;
    readonly providerToken?: string | undefined;
  }[];
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
  readonly sessionCookies: SessionCookies;
  readonly links: LinkedCookies;
  readonly serviceTokens: ServiceTokens;
  readonly passwordHasher: PasswordHasher;
  readonly attempts: AttemptStore;
  readonly store: Pick<Store, 'loginTransactions' | 'codes' | 'sealedTokens'>;
  readonly audit: AuditLog;
  readonly log: Logger;
  readonly series: { readonly logins: LoginSeries };
  readonly clocks: Clocks;
  /** One for all configurations of a process. */
  readonly loginTurns: Turns;
  /** Refresh tokens; `null` when there are none. */
  readonly refresh: Refresh | null;
}

/** What is in the files of the section. */
export interface LoginFiles {
  readonly users: UsersVersion;
  readonly backends: readonly KnownClient[];
  /** Of the identity providers, in their order. */
  readonly providers: readonly ProviderFiles[];
}

/** Reads the files of the section. */
export async function readLogin(
  { password, oidc, trustedBackends }: LoginConfig,
  reader: FileReader,
): Promise<LoginFiles> {
  const [users, backends, providers] = await Promise.all([
    reader.read(['login', 'password', 'usersFile'], password?.usersFile, readUsersFile, NO_USERS),
    Promise.all(trustedBackends.map((it, index) => readClient(['login', 'trustedBackends', index], it, reader))),
    Promise.all(oidc.map((it, index) => readProvider(['login', 'oidc', index], it, reader))),
  ]);
  return { users, backends, providers };
}

/** The login of one configuration. */
export interface Login {
  readonly parts: EndpointParts;
  readonly endpoints: readonly EndpointRow[];
  readonly logins: ProviderLogins;
  /** `null` where nobody logs in with a password. */
  readonly usersFile: UsersFile | null;
  readonly providers: OpenedProviders;
  readonly providerTokens: ProviderTokenUses;
}

/**
 * Opens the ways to log in, with what their endpoints share with others.
 *
 * @param previous  its identity providers are kept, where nothing about them has changed
 */
export function openLogin(
  sections: LoginSections,
  files: LoginFiles,
  surroundings: LoginSurroundings,
  previous: Pick<Login, 'providers' | 'providerTokens'> | null,
): Login {
  const { log, series, store, clocks, loginTurns: turns } = surroundings;
  const { password } = sections.login;
  const usersFile =
    password === undefined
      ? null
      : new UsersFile(password.usersFile, files.users, (problem) =>
          log.error({ problem }, 'users file reload failed; keeping the previous one'),
        );
  series.logins.readFrom(usersFile);
  const providers = openProviders(
    sections.login.oidc,
    files.providers,
    sections.routes.some(({ providerToken }) => providerToken !== undefined),
    { clocks, log, series: series.logins.providers, turns },
    previous?.providers ?? null,
  );
  const providerTokens = openProviderTokens(
    [...providers.values()].map(({ provider }) => provider),
    { ...surroundings, sealedTokens: store.sealedTokens, series: series.logins.providerTokens },
    previous?.providerTokens ?? null,
  );
  const parts = partsOf(sections, surroundings, providerTokens);
  const { startsPerAddress } = sections.login.throttle;
  const { monotonicMs } = clocks;
  const logins = openProviderLogins(providers, parts, { store, log, startsPerAddress, monotonicMs });
  const requirements = requirementsOf(sections);
  const handOver = openHandOver(sections.login.origin, sections.publicOrigin, {
    login: parts,
    codes: store.codes,
    links: surroundings.links,
    transactions: logins.transactions,
    startsPerAddress,
    series: series.logins.handOvers,
    requirements,
    cookie: sections.session.cookie,
    monotonicMs,
  });
  const stepUp = new StepUp(parts, logins, requirements, handOver?.otherOrigin ?? null);
  const ways = {
    ...waysOf(sections.login, usersFile, files.backends, surroundings),
    providers: logins,
    stepUp,
    handOver,
  };
  return { parts, endpoints: loginEndpoints(parts, ways), logins, usersFile, providers, providerTokens };
}

/** What routes require of logins, by their ids. */
const requirementsOf = ({ routes }: LoginSections): ReadonlyMap<string, Requirement> =>
  new Map(
    routes.flatMap(({ id, require: requirement }) => (requirement === undefined ? [] : [[id, requirement] as const])),
  );

function partsOf(
  { basePath, session, csrf, listeners }: LoginSections,
  { responder, sessions, sessionCookies, audit, series, refresh, clocks, loginTurns: turns }: LoginSurroundings,
  { revalidation }: ProviderTokenUses,
): EndpointParts {
  const { cookie } = session;
  const { limits, timeouts } = listeners.public;
  const page = csrfRules(csrf);
  const rules: Record<OriginSender, CsrfRules> = {
    page,
    program: { ...page, allowMissingOrigin: true },
    consent: { allowMissingOrigin: false, additionalOrigins: new Set() },
  };
  return {
    basePath,
    responder,
    sessions,
    cookies: sessionCookies,
    upkeep: revalidation,
    opener: new SessionOpener(sessions, cookie, audit, turns),
    audit,
    series: series.logins,
    originProblem: (request, sender) => unsafeOriginProblem(request, rules[sender]),
    returnTargets: new ReturnTargets((target) => canonicalTarget(target, '', limits.maxTargetBytes), basePath),
    clearCookieLine: clearSessionCookie(cookie),
    isCookieStrict: cookie.sameSite === 'strict',
    refresh,
    bodyTimeoutMs: timeouts.bodyIdle,
    turns,
    wallMs: clocks.wallMs,
  };
}

function waysOf(
  login: LoginConfig,
  usersFile: UsersFile | null,
  backends: readonly KnownClient[],
  { passwordHasher, attempts, clocks: { wallMs }, serviceTokens }: LoginSurroundings,
): Omit<LoginWays, 'providers' | 'stepUp' | 'handOver'> {
  const { password, throttle, title, page } = login;
  const { freeAttemptsPerAccount, maxDelay: maxDelayMs, window: windowMs } = throttle;
  const rule = (freeAttempts: number) => ({ freeAttempts, maxDelayMs, windowMs });
  return {
    title,
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
              perAccount: rule(freeAttemptsPerAccount),
              perAccountFromAnywhere: rule(throttle.freeAttemptsFromAnywhere),
              perAddress: rule(throttle.freeAttemptsPerAddress),
              maxQueue: password.maxQueue,
            },
            wallMs,
          }),
    backends:
      backends.length === 0
        ? null
        : new Clients(backends, {
            serviceTokens,
            assertions: null,
            failedAttempts: new FailedAttempts('backend', attempts, rule(freeAttemptsPerAccount), wallMs),
          }),
  };
}
