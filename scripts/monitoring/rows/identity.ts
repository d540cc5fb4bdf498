/** Panels about who calls: sessions, logins, tokens. */

import { type PanelSpec, PROCESS, quantile, quantiles, rate, rateBy, rateOfSome, series } from '../panels.ts';

/** Logins, sessions, identity providers. */
export const SESSIONS: readonly PanelSpec[] = [
  {
    title: 'Logins by method',
    description: 'Sessions opened.',
    unit: 'ops',
    queries: [[rateBy('method', 'sessions_opened_total'), '{{method}}']],
  },
  {
    title: 'Failed logins by reason',
    description: 'throttled: too many before it have failed. Many of them: passwords are being tried.',
    unit: 'ops',
    queries: [[rateBy('reason', 'login_failures_total'), '{{reason}}']],
  },
  {
    title: 'Ended sessions by cause',
    description: 'Logouts, revocations, thefts. Sessions that expire by themselves are not seen ending.',
    unit: 'ops',
    queries: [[rateBy('cause', 'sessions_ended_total'), '{{cause}}']],
  },
  {
    title: 'Sessions found in memory',
    description: 'Share of look-ups that needed no store.',
    unit: 'percentunit',
    queries: [
      [
        `sum(${rate('session_cache_hits_total')}) / (sum(${rate('session_cache_hits_total')}) + sum(${rate('session_cache_misses_total')}))`,
        'found',
      ],
    ],
  },
  {
    title: 'Sessions in memory',
    description: 'Bounded by session.cache; evictions under steady load mean that it is too small.',
    unit: 'short',
    queries: [[`sum by (instance, pod) (${series('session_cache_entries')})`, PROCESS]],
  },
  {
    title: 'Sessions that leave memory',
    description: 'To make room, or because they were revoked.',
    unit: 'ops',
    queries: [
      [`sum(${rate('session_cache_evictions_total')})`, 'to make room'],
      [`sum(${rate('session_cache_invalidations_total')})`, 'revoked'],
    ],
  },
  {
    title: 'Look-up of a session',
    description: 'Of those that were not in memory.',
    unit: 's',
    queries: quantiles('session_lookup_duration_seconds'),
  },
  {
    title: 'Logins at identity providers',
    description: 'By outcome. Begun and never ended: the user gave up, or the provider did not send them back.',
    unit: 'ops',
    queries: [
      [rateBy('provider', 'provider_logins_started_total'), '{{provider}} begun'],
      [rateOfSome('provider, outcome', 'provider_logins_total'), '{{provider}} {{outcome}}'],
    ],
  },
  {
    title: 'Calls to identity providers, p99',
    description: 'How long the provider took.',
    unit: 's',
    queries: [[quantile(0.99, 'provider_call_duration_seconds', 'provider, call, '), '{{provider}} {{call}}']],
  },
  {
    title: 'Failed calls to identity providers',
    description: 'No answer, 429 or 5xx.',
    unit: 'ops',
    queries: [[rateBy('provider', 'provider_call_failures_total'), '{{provider}}']],
  },
  {
    title: 'Metadata of identity providers',
    description: 'Age, which should stay below login.oidc[].refreshEvery.',
    unit: 's',
    queries: [[`max by (provider) (${series('provider_metadata_age_seconds')})`, '{{provider}}']],
  },
  {
    title: 'Fetches of metadata',
    description: 'partial: some keys had to be left out.',
    unit: 'ops',
    queries: [[rateBy('provider, result', 'provider_metadata_fetches_total'), '{{provider}} {{result}}']],
  },
  {
    title: 'Users confirmed at their provider',
    description: 'With revalidate: what the provider said of users with open sessions. ended: they were logged out.',
    unit: 'ops',
    queries: [[rateBy('provider, outcome', 'provider_refreshes_total'), '{{provider}} {{outcome}}']],
  },
  {
    title: 'Logouts with identity providers',
    description: 'Requested by the provider, or continued there.',
    unit: 'ops',
    queries: [
      [rateBy('provider, outcome', 'provider_backchannel_logouts_total'), '{{provider}} back channel {{outcome}}'],
      [rateBy('provider, outcome', 'provider_frontchannel_logouts_total'), '{{provider}} front channel {{outcome}}'],
      [rateBy('provider, step', 'provider_logouts_total'), '{{provider}} at the provider {{step}}'],
      [rateBy('provider, outcome', 'provider_token_revocations_total'), '{{provider}} tokens {{outcome}}'],
    ],
  },
  {
    title: 'Logins handed over to other origins',
    description: 'With login.origin: as many should be taken as are begun.',
    unit: 'ops',
    queries: [[rateBy('outcome', 'login_hand_overs_total'), '{{outcome}}']],
  },
  {
    title: 'Logins of the command line',
    description: 'Steps of sallyport login.',
    unit: 'ops',
    queries: [[rateBy('grant, result', 'command_line_logins_total'), '{{grant}} {{result}}']],
  },
  {
    title: 'Streams cut',
    description: 'Open answers and WebSockets whose session or token had ended.',
    unit: 'ops',
    queries: [[rateBy('credential', 'streams_ended_total'), '{{credential}}']],
  },
];

/** Tokens that are signed, accepted, exchanged, refreshed and revoked. */
export const TOKENS: readonly PanelSpec[] = [
  {
    title: 'Upstream tokens',
    description: 'Signed, by cause, and reused. Most should be reused.',
    unit: 'ops',
    queries: [
      [rateBy('cause', 'tokens_minted_total'), 'signed: {{cause}}'],
      [`sum(${rate('tokens_reused_total')})`, 'reused'],
    ],
  },
  {
    title: 'Time to sign',
    description: 'Of one upstream token.',
    unit: 's',
    queries: quantiles('token_mint_duration_seconds'),
  },
  {
    title: 'Accepted service tokens',
    description: 'Remembered ones cost no signature check.',
    unit: 'ops',
    queries: [[rateBy('issuer, from', 'service_tokens_accepted_total'), '{{issuer}} {{from}}']],
  },
  {
    title: 'Refused service tokens',
    description: '_none: of no issuer that the route accepts.',
    unit: 'ops',
    queries: [[rateOfSome('issuer, problem', 'service_tokens_refused_total'), '{{issuer}} {{problem}}']],
  },
  {
    title: 'Age of issuer keys',
    description: 'Beyond issuers.*.maxStale, tokens of the issuer get 503.',
    unit: 's',
    queries: [[`max by (issuer) (${series('jwks_age_seconds')})`, '{{issuer}}']],
  },
  {
    title: 'Fetches of issuer keys',
    description: 'partial: some keys had to be left out.',
    unit: 'ops',
    queries: [[rateBy('issuer, result', 'jwks_fetches_total'), '{{issuer}} {{result}}']],
  },
  {
    title: 'Token endpoint',
    description: 'Token exchange and client credentials, by result.',
    unit: 'ops',
    queries: [[rateOfSome('grant, result', 'token_requests_total'), '{{grant}} {{result}}']],
  },
  {
    title: 'Refreshes',
    description: 'reused: a token that had been replaced came back, which ends its session.',
    unit: 'ops',
    queries: [
      [rateOfSome('result', 'refreshes_total'), '{{result}}'],
      [rateBy('client', 'refresh_families_begun_total'), 'begun: {{client}}'],
    ],
  },
  {
    title: 'Tokens for other services',
    description: 'On the outbound side, by destination.',
    unit: 'ops',
    queries: [[rateBy('destination, result', 'destination_tokens_total'), '{{destination}} {{result}}']],
  },
  {
    title: 'Waiting for tokens for other services, p99',
    description: 'Only calls whose token was not at hand.',
    unit: 's',
    queries: [[quantile(0.99, 'destination_token_wait_seconds', 'destination, '), '{{destination}}']],
  },
  {
    title: 'Revoked tokens',
    description: 'Known now, each until nothing that it concerns can be alive.',
    unit: 'short',
    queries: [
      [`max by (kind) (${series('token_revocations')})`, '{{kind}}'],
      [`sum(${rate('token_revocations_forgotten_total')})`, 'forgotten per second'],
    ],
  },
];
