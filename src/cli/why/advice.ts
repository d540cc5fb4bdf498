/**
 * What an operator does about each reason. Shown by `sallyport why`, and on the page of the reasons. Clients never see it.
 */

import type { Reason } from '../../errors.ts';

/** Two sentences or so on a reason, in Markdown without links. */
export interface Advice {
  /** What usually leads to it. */
  readonly cause: string;
  /** How to find out more, and how to end it. */
  readonly cure: string;
}

const SEE_NOTE = 'The note of the request in the log names the rule.';
const ONE_OFF = 'A single one needs no action.';

/** By reason; a reason without advice does not compile. */
export const ADVICE: Readonly<Record<Reason, Advice>> = {
  request_ambiguous: {
    cause:
      'Two servers could read the request in two ways: two lengths, an escaped slash, two hosts. Attack tools send such requests, and sometimes old clients.',
    cure: `${SEE_NOTE} If the client is yours, correct it. If an application needs such paths, \`pathExceptions\` of its route allows some of them.`,
  },
  request_malformed: {
    cause: 'The bytes are not HTTP/1.1: scanners, a TLS handshake on a plain port, a broken proxy.',
    cure: 'Look at the client address. If it is your load balancer, it speaks TLS or the PROXY protocol to a listener that does not.',
  },
  request_timeout: {
    cause:
      'The headers or the body arrived too slowly: a bad connection, or a client that holds connections on purpose.',
    cure: 'For slow uploads of legitimate users, raise `listeners.public.timeouts` or lower `limits.minUploadRate`.',
  },
  http_version_unsupported: {
    cause: 'A client or a health check speaks HTTP/1.0 or a version that does not exist.',
    cure: 'Set the health check to HTTP/1.1.',
  },
  target_too_long: {
    cause: 'The path and query are longer than browsers and proxies reliably pass on.',
    cure: 'Move the data into a body. A login loop that appends to the address causes this, too.',
  },
  headers_too_large: {
    cause: 'Mostly cookies: applications under one host that never delete theirs.',
    cure: 'Delete the cookies of the site, find the application that sets them, and give them a path or a lifetime.',
  },
  body_too_large: {
    cause: 'The body is over `maxBodyBytes` of the route, or over that of an endpoint of the gateway.',
    cure: '`sallyport explain` shows the limit that applies. Raise `maxBodyBytes` of the route if such bodies are meant to pass.',
  },
  body_malformed: {
    cause: 'A form or JSON for an endpoint of the gateway, such as the login, cannot be parsed or repeats a field.',
    cure: 'Compare the request with the page of the endpoints.',
  },
  query_malformed: {
    cause: 'A query parameter of an endpoint of the gateway is missing, empty, unknown or repeated.',
    cure: 'Compare the request with the page of the endpoints.',
  },
  media_type_unsupported: {
    cause: 'An endpoint of the gateway got neither a form nor JSON.',
    cure: 'Send `Content-Type: application/json` or a form.',
  },
  expectation_failed: {
    cause: 'The client sent an `Expect` other than `100-continue`.',
    cure: 'Correct the client; no other expectation is registered.',
  },
  upgrade_unsupported: {
    cause:
      'The client asked for a WebSocket where the route has `webSocket: false`, or with a handshake that RFC 6455 does not allow.',
    cure: 'Set `webSocket: true` on the route, or correct the client.',
  },
  websocket_version_unsupported: {
    cause: 'The client speaks a draft of the WebSocket protocol.',
    cure: 'Update the client.',
  },
  host_not_served: {
    cause: 'No `publicOrigin` or route has the Host of the request: the address of a pod, an old name, a scanner.',
    cure: 'If people use that name, add it to `publicOrigin`, or to `match.host` of its routes. Health checks belong on the admin listener.',
  },
  route_not_found: {
    cause: 'No route matches the path.',
    cure: '`sallyport explain METHOD URL` shows the routes that come close. Add a route, for instance one with `path: /`.',
  },
  method_not_allowed: {
    cause: 'A route matches the path and does not list the method.',
    cure: 'Add the method to `match.methods`, or set `match.otherMethods: nextRoute` if another route should handle it.',
  },
  credential_conflict: {
    cause:
      'The request has a session cookie and an `Authorization` header, and the gateway does not choose between two users.',
    cure: 'If the header is for the application, set `passAuthorization` on its route; otherwise send only one of the two.',
  },
  credential_missing: {
    cause:
      'The route needs a credential and the request has none, or none that the route accepts. Every first visit is like this.',
    cure: 'If it happens right after a login, the browser did not keep the cookie: look for plain http, another host name, or blocked cookies. If no login should be needed, set `credential: none`.',
  },
  session_invalid: {
    cause: 'The session cookie does not have the form of a session id: it was truncated, or another program set it.',
    cure: 'If it is frequent, another application under the same host sets a cookie of that name: rename one of them.',
  },
  session_unknown: {
    cause: 'The session has ended: by a logout, an operator, its identity provider, or because the store was emptied.',
    cure: 'The audit stream records the end of the session. If many users are affected at once, check whether Redis restarted without its data, or evicts keys (`maxmemory-policy` must be `noeviction`).',
  },
  session_expired: {
    cause: 'The session was not used for `session.idleTimeout`, or is older than `session.absoluteTimeout`.',
    cure: 'None needed. If people complain, raise the timeout that they reach.',
  },
  token_invalid: {
    cause: 'A presented token failed verification: expired, another audience, an unknown issuer, a bad signature.',
    cure: `${SEE_NOTE} \`sallyport token verify --config FILE\` checks a token against your configuration.`,
  },
  client_unauthorized: {
    cause: 'A client of the token endpoint, or a trusted backend, presented a wrong secret or assertion.',
    cure: `${SEE_NOTE} Check whether the secret was rotated on one side only. Many failures from one address are guesses, and are throttled.`,
  },
  token_request_invalid: {
    cause: 'A request to the token endpoint lacks a parameter, or repeats one.',
    cure: `${SEE_NOTE} Compare the request with the how-to on exchanging tokens.`,
  },
  subject_token_refused: {
    cause: 'The token that a service wants to exchange is expired, revoked, or was not issued for that service.',
    cure: `${SEE_NOTE} A service must exchange the token of a request while it handles that request.`,
  },
  grant_unsupported: {
    cause: 'The client requests a grant that the token endpoint does not support.',
    cure: 'Use `client_credentials`, `refresh_token` or the token exchange of RFC 8693.',
  },
  grant_forbidden: {
    cause: 'The configuration does not give this client that grant.',
    cure: 'Add it to the client in `tokenEndpoint.clients`, if it should have it.',
  },
  target_forbidden: {
    cause: 'The client requests an audience that is not in its configuration.',
    cure: 'Add the audience to the client in `tokenEndpoint.clients`, if it may call that service.',
  },
  scope_exceeded: {
    cause: 'The client requests a scope that its configuration or the subject token lacks.',
    cure: 'Request fewer scopes, or add the scope to the client.',
  },
  login_failed: {
    cause: 'A wrong password, or a name that does not exist. The answer is the same for both.',
    cure: `${ONE_OFF} Many for one account, or from one network, are guesses: \`login.throttle\` slows them down, and known devices can still log in.`,
  },
  login_cookie_missing: {
    cause:
      'The browser came back from the identity provider without the cookie of the login: cookies are blocked, or the link was opened in another browser.',
    cure: 'If all users are affected, the redirect URI at the provider has a host other than that of `publicOrigin`.',
  },
  login_expired: {
    cause: "The person took longer than ten minutes, went back, or used a bookmark of the provider's login page.",
    cure: 'The page offers a new login. If all users are affected, the replicas do not share a store.',
  },
  login_declined: {
    cause: 'The person cancelled, or the provider does not let them into this application.',
    cure: 'Assign the application to the user or the group at the provider.',
  },
  login_interaction_required: {
    cause: 'The configuration asks the provider not to show pages (`prompt: none`), but it needs to.',
    cure: 'Remove `prompt: none` from the `authorizationParameters` of the provider.',
  },
  login_response_invalid: {
    cause:
      "The provider's answer breaks a rule of OpenID Connect: a wrong issuer, nonce or audience, a signature that does not verify.",
    cure: `${SEE_NOTE} \`sallyport check oidc NAME\` shows which setting does not fit the provider.`,
  },
  login_clock_skew: {
    cause: 'The ID token is from the future, or has expired on arrival: one of the two clocks is wrong.',
    cure: '`sallyport check oidc NAME` compares the clocks. Synchronize the clock of this machine.',
  },
  login_not_allowed: {
    cause: 'The account does not satisfy `allow` of its provider: domain, group or claim.',
    cure: '`sallyport check oidc NAME --login` shows the claims of a login, and the verdict of each rule.',
  },
  login_attributes_too_large: {
    cause: 'The mapped attributes and groups of the account are larger than a session may hold.',
    cure: 'Let the provider send only the groups that you need, or map fewer claims.',
  },
  login_groups_missing: {
    cause: 'Entra ID omits groups from the tokens of users who are in more than 200.',
    cure: 'Send only the groups that are assigned to the application, or use app roles.',
  },
  logout_token_refused: {
    cause: 'A logout token of the provider is invalid, or was used before.',
    cure: `${SEE_NOTE} No session has ended: the person is still logged in here.`,
  },
  step_up_required: {
    cause: 'The route has `require`, and the login is older or weaker than it demands.',
    cure: 'Browsers are redirected to the provider. A program must send its user through a login again (RFC 9470).',
  },
  step_up_insufficient: {
    cause:
      'The person logged in again, but the provider did not meet the requirement: another `acr`, no second factor, an old `auth_time`.',
    cure: '`sallyport check oidc NAME --login` shows what the provider sends. Check which of its policies sets `acr`.',
  },
  step_up_other_account: {
    cause: 'At the provider, the person chose an account other than that of the session.',
    cure: 'They must log in with the same account, or log out here first.',
  },
  refresh_token_refused: {
    cause: 'The refresh token has expired, or belongs to an ended session or another kind of client.',
    cure: 'The client must send its user through a login.',
  },
  refresh_token_reused: {
    cause:
      'A refresh token was used again after it had been replaced. A copy was stolen, or a client lost an answer and retried too late.',
    cure: 'The family and its session have ended. Look at both client addresses in the audit stream (`refresh_reuse_detected`).',
  },
  authorization_request_invalid: {
    cause:
      'A program that logs in through the browser sent a request without PKCE, or with a redirect that is not on the loopback.',
    cure: `${SEE_NOTE} Use \`sallyport login\`, or correct the program.`,
  },
  consent_not_by_person: {
    cause:
      'A script asked for the consent of a user, or the browser did not say that a person opened the page (`Sec-Fetch-Mode`): it is from before 2023, or a proxy in front removes the header.',
    cure: 'Open the page in a current browser, and let the proxy pass `Sec-Fetch-*`. A script is an attack from inside an application.',
  },
  consent_outdated: {
    cause: 'The user logged in again after the page was shown, or the form was not made for this session.',
    cure: 'Begin the login of the program again.',
  },
  code_refused: {
    cause: 'An authorization code has expired, or came with a different verifier or redirect URI.',
    cure: 'Begin the login of the program again. If it always fails, the program mixes up its verifier.',
  },
  code_reused: {
    cause: 'An authorization code was used twice: a copy was stolen, or the program retries.',
    cure: 'The tokens from its first use have been revoked. Find out which programs saw the code.',
  },
  device_login_pending: {
    cause: 'The device asks whether its user has decided yet. This is normal.',
    cure: 'None needed.',
  },
  device_polled_too_often: {
    cause: 'The device asks more often than it may.',
    cure: 'Correct the program: it must wait five seconds longer after this answer (RFC 8628 §3.5).',
  },
  device_login_denied: {
    cause: 'The user refused the login of the device.',
    cure: 'Ask the user. If they did not start it, an attacker may have: tell them to refuse again.',
  },
  device_login_expired: {
    cause: 'Nobody confirmed the login of the device in time.',
    cure: 'Begin it again.',
  },
  user_code_unknown: {
    cause: 'The typed code does not exist, or has expired.',
    cure: 'Read it from the device again. Many failures from one address are guesses, and are throttled.',
  },
  login_unavailable: {
    cause: 'The route needs a login, but the configuration has no password form, identity provider or `login.page`.',
    cure: 'Configure one of them, or let a trusted backend open the sessions.',
  },
  origin_forbidden: {
    cause:
      'A request with a session changes something but does not come from a page of this site: cross-site request forgery, or a program with a cookie and no `Origin`.',
    cure: 'For a program, send `Origin` with the public origin. For a page of another origin, list it in `csrf.additionalOrigins`.',
  },
  admin_disabled: {
    cause: 'A request called the guarded part of the admin API, but `listeners.admin.tokenFile` is not set.',
    cure: 'Set it to a file with a token of at least 32 characters.',
  },
  route_forbidden: {
    cause: 'The principal is known, but does not satisfy `allow` of the route.',
    cure: '`sallyport explain` with the same session or service shows each criterion and whether it holds.',
  },
  scope_insufficient: {
    cause: 'The token is valid, but lacks a scope that the route requires.',
    cure: 'Have the client request the scope that the challenge names.',
  },
  browser_forbidden: {
    cause: 'A browser, possibly a page that uses DNS rebinding, called the outbound listener.',
    cure: 'Only the workload may call it. Perhaps a developer opened the address; otherwise suspect an attack on the machine.',
  },
  peer_forbidden: {
    cause: 'An address that is not in `peers` asked the authorizer.',
    cure: 'If it is your proxy, add its address or network to `peers` of the listener (`listeners.authorizer` or `listeners.grpcAuthorizer`).',
  },
  exchange_refused: {
    cause: 'The authorization server of a destination refuses this caller a token.',
    cure: `${SEE_NOTE} Check the policy of the client there.`,
  },
  rate_limited: {
    cause: 'Too many failed attempts, or too many logins begun, from one network or for one account.',
    cure: 'If an office behind one address is affected, raise the limits of `login.throttle`.',
  },
  too_many_in_progress: {
    cause: 'One client address or one session has too many requests in progress.',
    cure: '`sallyport explain` shows the limits. If many users share one address, set `trustedProxies` so that the gateway sees their own addresses.',
  },
  overloaded: {
    cause: 'The process has more requests than it can serve, or a route is at `maxRequests`.',
    cure: 'Add replicas or `workers`. `sallyport_requests_shed_total` and `sallyport_requests_over_limit_total` tell the two apart.',
  },
  store_unavailable: {
    cause: 'Redis does not answer in time, or answers with an error.',
    cure: '`sallyport_store_up`, `sallyport_store_errors_total` and the log name the error; `OOM` means that Redis needs more memory. Sessions in the cache are served meanwhile, as far as `session.cache` allows.',
  },
  store_full: {
    cause: 'The embedded store (`store.memory`) is at its bound.',
    cure: 'Use Redis. A Redis that is full answers with an error, which is `store_unavailable`.',
  },
  signing_key_unavailable: {
    cause: 'No signing key is active: the key directory is empty, or its keys begin later.',
    cure: '`sallyport keys list` shows the keys and from when they sign; `sallyport keys rotate --now` makes one.',
  },
  audit_unavailable: {
    cause: 'Audit records cannot be written, and `log.onAuditFailure` is `refuse`.',
    cure: 'Free space on the disk of `log.auditFile`, or make sure that something reads standard output.',
  },
  provider_unavailable: {
    cause: 'The identity provider does not answer, or its metadata or keys cannot be fetched.',
    cure: '`sallyport check oidc NAME` tests it from this machine. Check the network policy, DNS and the certificate.',
  },
  jwks_unavailable: {
    cause:
      'The keys of an issuer were never fetched, or are older than `fetch.maxStale`, so its tokens can be neither accepted nor refused.',
    cure: '`sallyport_jwks_fetches_total` and the log show the failure. Check the network policy, DNS and the certificate.',
  },
  token_unavailable: {
    cause: 'The authorization server that issues the tokens for a destination does not answer.',
    cure: '`sallyport_destination_tokens_total` and the log show the failure.',
  },
  upstream_connect_failed: {
    cause:
      'No endpoint of the upstream accepts a connection: it is down, the port is wrong, TLS verification fails, or a network policy blocks it.',
    cure: 'The log has the error. `curl` the endpoint from the machine or the pod of the gateway.',
  },
  upstream_reset: {
    cause:
      'The upstream closed the connection before its answer was complete: it crashed, restarted, or closes idle connections sooner than it announces.',
    cure: 'Check the log of the application at that time. The gateway retries safe requests once.',
  },
  upstream_protocol: {
    cause: "The upstream's answer is not valid HTTP, or could be read in two ways.",
    cure: `${SEE_NOTE} Correct the application: behind another proxy, a browser might read the answer differently.`,
  },
  upstream_timeout: {
    cause: 'The upstream did not start to answer in time.',
    cure: 'Check the log of the application. If it may take that long, raise `timeouts.firstByte` of the route.',
  },
  deadline_exceeded: {
    cause: 'The deadline that a gRPC caller set (`grpc-timeout`) passed before the upstream answered.',
    cure: 'Check the log of the service. Earlier calls in the same chain may have used up the time; the caller sets the deadline.',
  },
  downstream_aborted: {
    cause: 'The client disconnected: a closed tab, a new page, its own timeout.',
    cure: 'None needed, unless all disconnect after the same time: then the client, or a proxy in between, has too short a timeout.',
  },
  bug: {
    cause: 'A fault in the gateway.',
    cure: 'Report it with the `fault` of the log line, and the version.',
  },
};
