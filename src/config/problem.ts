/**
 * What can be wrong with a configuration: one table of codes, and what one finding says. The documentation page
 * `docs/reference/problems.md` is made from the table.
 */

interface CodeRow {
  readonly severity: 'error' | 'warning';
  /** What it means and what to do, for the documentation. */
  readonly meaning: string;
}

const error = (meaning: string): CodeRow => ({ severity: 'error', meaning });
const warning = (meaning: string): CodeRow => ({ severity: 'warning', meaning });

const CODES = {
  'yaml/syntax': error('The text is not YAML 1.2. Nothing else is looked at until it is.'),
  'yaml/duplicate-key': error('A key stands twice in one map. Readers of YAML differ in which one counts.'),
  'yaml/tag': error(
    'A tag (`!…`) or a `%YAML` directive. Values have the types of the YAML 1.2 core schema and no others.',
  ),
  'yaml/alias': error(
    'An alias (`*name`) without its anchor, an anchor inside another one, or more aliases than are accepted.',
  ),
  'yaml/merge-key': error('`<<` is no part of YAML 1.2. Write the keys out.'),
  'yaml/number': error(
    'A number in another form than plain decimal (`0x1F`, `0o17`, `017`, `1e3`), which readers of YAML take differently.',
  ),
  'config/too-large': error('The file is larger than 8 MiB.'),
  'config/variable': error(
    'A `${…}` that cannot be expanded: the variable is not set, the file cannot be read, or it is not a reference.',
  ),
  'config/unknown-key': error('A key that does not exist at this place.'),
  'config/missing-key': error('A key that has to be there is not.'),
  'config/invalid-value': error('A value that the key does not accept.'),
  'config/file': error(
    'A file or directory that the configuration names is missing, cannot be read, or has something in it that cannot be used.',
  ),
  'origin/insecure': error(
    'A public origin with plain http on a host that is not this machine: session cookies are never sent there, and everything could be read on the way.',
  ),
  'origin/duplicate-host': error('Two public origins with the same host: requests are told apart by host alone.'),
  'cookie/prefix': error(
    'The cookie name has to begin with `__Host-` or `__Host-Http-`: only then do browsers keep sibling domains and plain http from setting it.',
  ),
  'cookie/same-site-none': error(
    '`sameSite: none` without `csrf.additionalOrigins`, or together with a session route whose `csrf` is `off`: then any page could use the session.',
  ),
  'session/timeouts': error('The idle timeout is longer than the absolute one, so it would never apply.'),
  'listeners/same-address': error('Two listeners with the same address.'),
  'store/both': error('Both `store.memory` and `store.redis`.'),
  'store/credentials-twice': error('The user or the password of Redis is given in the URL and again beside it.'),
  'store/tls-unused': error(
    '`store.redis.tls` with a URL that is not `rediss…`: the connection would not be encrypted.',
  ),
  'tls/pair': error('A client certificate without its key, or a key without its certificate.'),
  'workers/store': error('More than one process needs sessions that all of them see: `store.redis`.'),
  'workers/signing-key': error(
    'More than one process needs signing keys that all of them have: `upstreamToken.keys.directory`, or HS256 with a secret file.',
  ),
  'login/unknown-issuer': error('A trusted backend names an issuer that is not in `issuers`.'),
  'login/page-unreachable': error(
    '`login.page` is on no route, or on one that asks for a session: whoever has to log in is sent round in a circle.',
  ),
  'login/duplicate-id': error('Two trusted backends with the same id.'),
  'token-endpoint/unknown-issuer': error(
    'A client of the token endpoint, or `subjectIssuers`, names an issuer that is not in `issuers`.',
  ),
  'token-endpoint/duplicate-service': error(
    'One service is two clients of the token endpoint: which is meant cannot be known.',
  ),
  'token/secret-file': error('HS256 needs `upstreamToken.secretFile`, and the other algorithms need none.'),
  'token/keys': error('`upstreamToken.keys` with HS256, whose only key is the secret file.'),
  'token/publish-before': error(
    'A new signing key is published for a shorter time before its first use than verifiers may keep the old JWKS.',
  ),
  'token/rotate-every': error('Signing keys would be replaced before they were published long enough.'),
  'files/shared-secret': error('One file in two secret roles: who holds one secret would hold the other.'),
  'routes/duplicate-id': error('Two routes with the same id.'),
  'routes/duplicate': error('Two routes with the same host, path and method: which one is meant cannot be known.'),
  'routes/unknown-upstream': error('A route names an upstream that is not in `upstreams`.'),
  'issuers/plain-http': error(
    'Keys of an issuer are fetched by plain http from a host that is not this machine: whoever can change the answer can make tokens.',
  ),
  'issuers/max-stale': error(
    'The last good keys of an issuer are not used for as long as it takes until they are fetched again.',
  ),
  'routes/service-accounts': error(
    '`allow.serviceAccounts` on a route that accepts the tokens of no issuer with `kubernetes`: nobody could ever pass.',
  ),
  'routes/unknown-issuer': error('A route names an issuer that is not in `issuers`.'),
  'routes/reserved-path': error(
    "A route below `basePath` or on one of the gateway's own well-known documents: it would get no request.",
  ),
  'routes/session-host': error(
    'A route that takes a session on a host without a public origin: browsers cannot log in there, and the CSRF check knows no origin of ours.',
  ),
  'routes/allow-on-public': error('`allow` on a route with `credential: none`: nobody could ever pass.'),
  'routes/pass-authorization': error(
    "`passAuthorization` on a route that takes a credential: the client's Authorization header is that credential.",
  ),
  'routes/original-token': error(
    '`upstreamToken: original` on a route that takes a session, or nothing: only a service token can be passed on.',
  ),
  'routes/identity-header': error(
    'An identity header with the name of the header that carries the upstream token or a credential.',
  ),
  'routes/identity-overwritten': error('A route sets or removes a header that it also writes identity into.'),
  'outbound/not-loopback': error(
    'The outbound listener on an address that others can reach: whoever reaches it is taken for the workload.',
  ),
  'outbound/any-host': error(
    'A destination for any host: a page in a browser that has rebound its own name to the loopback would be served.',
  ),
  'outbound/duplicate': error('Two destinations with the same host, path and method.'),
  'outbound/duplicate-id': error(
    'Two destinations with the same id, or one with the id of a route: they share a label in metrics and logs.',
  ),
  'outbound/unknown-upstream': error('A destination names an upstream that is not in `upstreams`.'),
  'outbound/token-overwritten': error('A destination sets or removes the header that carries its token.'),
  'outbound/plain-http': warning(
    'Credentials of the workload and its tokens go to an authorization server by plain http, on a host that is not this machine.',
  ),
  'outbound/memory-key': warning(
    'Service tokens are signed by a key that each process makes for itself: who verifies them has to ask this very process for its JWKS.',
  ),
  'rewrite/strip-prefix': error('A path of the route does not begin with the prefix that is stripped.'),
  'rewrite/placeholder': error('`rewrite.path` uses a placeholder that not every path of the route has.'),
  'routes/unreachable': warning('Every request that the route (or one of its paths) matches is taken by others.'),
  'routes/public-above': warning(
    'A public route above a protected one: whatever the protected route does not match is open to everybody.',
  ),
  'routes/method-fallthrough': warning(
    'Requests to the paths of a protected route, but with a method that it does not list, are taken by a public route.',
  ),
  'routes/owned-header': warning('A header rule for a header that only the gateway writes.'),
  'routes/identity-on-public': warning(
    'Identity headers on a public route, where nobody is known: they are never sent.',
  ),
  'routes/csrf-off': warning('The CSRF check is off on a route that takes a session.'),
  'headers/pass-ineffective': warning(
    '`passClientHeaders` names a header that the gateway owns whatever it says, or one that would pass anyhow.',
  ),
  'listeners/trusts-everyone': warning(
    '`trustedProxies` includes every address, so every client can name its own address.',
  ),
  'login/proxy-unknown': warning(
    'TLS ends in front of the gateway, but `trustedProxies` is empty: all password attempts count for one address.',
  ),
  'login/no-way-in': warning(
    'Routes take a session, but nothing opens one: no login form, no trusted backend, no relayed cookie.',
  ),
  'admin/no-token': warning('The admin listener can be reached from elsewhere and has no token: its API answers 403.'),
  'store/memory': warning(
    'Sessions are kept in this process and lost when it ends. Write `store: { memory: {} }` if that is meant.',
  ),
  'token-endpoint/unknown-audience': warning(
    'A client may have tokens for an audience that no route and no client of this configuration has. That is right where the service stands behind another gateway.',
  ),
  'token-endpoint/shared-audience': warning(
    'Two clients of the token endpoint are the same audience: a token that one of them received can be exchanged by the other.',
  ),
  'token-endpoint/own-audience': warning(
    'A client may exchange a token for its own audience: it gains nothing by it but another actor in the chain.',
  ),
  'token-endpoint/subject-audience': warning(
    'Tokens of a subject issuer are accepted for no audience that a client has, so none can be exchanged.',
  ),
  'token-endpoint/lifetime': warning('Tokens of the token endpoint live longer than 15 minutes.'),
  'token-endpoint/shared-key': warning(
    'A token endpoint with HS256: every service that verifies our tokens can also make them, so exchange limits nobody.',
  ),
  'revocation/memory': warning(
    '`revocation.outageGrace` without `store.redis`: the gateway hears of no revocation but its own, however long ago that was.',
  ),
  'token/lifetime': warning('Upstream tokens live longer than 5 minutes: not every verifier hears of revocations.'),
  'token/memory-key': warning(
    'Sessions are shared through Redis, but each process makes its own signing key: verifiers that read the JWKS of another replica refuse its tokens.',
  ),
  'refresh/no-login': warning('`refresh` without a login that could begin with a refresh token.'),
  'refresh/lifetime': warning('Access tokens live longer than 15 minutes: not every verifier hears of revocations.'),
  'refresh/idle-timeout': warning(
    'Access tokens live as long as an idle session, or longer: an app that refreshes when they expire is logged out before.',
  ),
  'refresh/audience': warning(
    'Access tokens, which clients hold, have an audience of upstream tokens: the service could be called past the gateway.',
  ),
  'refresh/shared-key': warning(
    'Access tokens with HS256: every service that verifies our tokens can also make access tokens for any user.',
  ),
  'upstreams/plain-http': warning(
    'Plain http to a host that is not this machine: the upstream token can be read on the way.',
  ),
  'upstreams/link-local': warning(
    'A link-local address, where clouds serve credentials to whoever asks: hardly a service that clients should reach.',
  ),
  'config/unused': warning('An upstream or an issuer that nothing names.'),
  'config/secret-in-file': warning(
    'A password stands in the configuration itself. Use `${VAR}`, `${file:/path}` or a key that ends in File.',
  ),
  'files/world-readable': warning('A file with a secret can be read by every user of the machine.'),
} as const satisfies Record<string, CodeRow>;

export type ProblemCode = keyof typeof CODES;

/** The codes that are warnings: what `acceptWarnings` can name. */
export type WarningCode = {
  [C in ProblemCode]: (typeof CODES)[C]['severity'] extends 'warning' ? C : never;
}[ProblemCode];

/** The table. Codes are stable: they are in the output of `validate`, and in `acceptWarnings`. */
export const PROBLEM_CODES: Readonly<Record<ProblemCode, CodeRow>> = CODES;

/** The codes of warnings. */
export const WARNING_CODES = Object.keys(CODES).filter((code): code is WarningCode => isWarning(code as ProblemCode));

function isWarning(code: ProblemCode): boolean {
  return PROBLEM_CODES[code].severity === 'warning';
}

/** A way to a value in a configuration: `['routes', 2, 'upstream']`. */
export type KeyPath = readonly (string | number)[];

/** One finding, at one place. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: 'error' | 'warning';
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
  /** After the last column, on the same line. */
  readonly endColumn: number;
  /** `routes[2].upstream`; empty for the file as a whole. */
  readonly path: string;
  /** One sentence without a full stop, `path` included. Never a secret, never an expanded value of a secret key. */
  readonly message: string;
  /** What to do about it, if that can be said. */
  readonly hint: string | null;
}

const PLAIN_KEY = /^[A-Za-z_$][A-Za-z0-9_$-]*$/;

/** A path as people write it. */
export function formatPath(path: KeyPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const key = PLAIN_KEY.test(part) ? part : JSON.stringify(part);
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

/** In the order of the file; at one place errors first. */
export const byPosition = (a: Problem, b: Problem): number =>
  a.line - b.line || a.column - b.column || a.severity.localeCompare(b.severity) || a.code.localeCompare(b.code);
