/**
 * `docs/reference/lifetimes.md` and its picture: how long everything lives, by the defaults of the schema and the constants of the
 * source.
 */

import type { z } from 'zod';
import { alternativesOf, entriesOf, shapeOf, unwrap } from '../../src/config/walk.ts';
import { AUTHORIZATION_CODE_LIFETIME_MS } from '../../src/endpoints/command-line/authorize-endpoint.ts';
import { DEVICE_CODE_LIFETIME_MS } from '../../src/endpoints/command-line/device-grant.ts';
import { HAND_OVER_CODE_LIFETIME_MS } from '../../src/endpoints/login/hand-over/hand-over-codes.ts';
import { LOGIN_LIFETIME_MS } from '../../src/endpoints/login/oidc/flow/transactions.ts';
import { bareSchema } from '../../src/gateway/configuration/schema.ts';
import { formatDuration, parseDurationMs } from '../../src/lib/text/units.ts';
import { cell, code, generated, table } from './markdown.ts';

/** How long something lives. */
interface Lifetime {
  readonly name: string;
  /** The key of the configuration that says it, or a fixed time in milliseconds. */
  readonly is: string | number;
  readonly text: string;
}

/** By what they are about, in the order of a login. */
const GROUPS: Readonly<Record<string, readonly Lifetime[]>> = {
  'Logging in': [
    {
      name: 'Login at a provider',
      is: LOGIN_LIFETIME_MS,
      text: "From the click to the provider's answer; once, in the browser that began it.",
    },
    { name: 'Clock skew of a provider', is: 'login.oidc[].clockSkew', text: 'For the times in ID tokens.' },
    {
      name: 'Code between two origins',
      is: HAND_OVER_CODE_LIFETIME_MS,
      text: 'Hands a login over to another origin of the gateway. Single use.',
    },
    { name: 'Code for a terminal', is: AUTHORIZATION_CODE_LIFETIME_MS, text: '`sallyport login`. Single use.' },
    { name: 'Code to type', is: DEVICE_CODE_LIFETIME_MS, text: '`sallyport login --device`.' },
    {
      name: 'Known device',
      is: 'login.throttle.knownDeviceFor',
      text: "A browser whose logins other people's wrong guesses do not slow down.",
    },
  ],
  'The session': [
    {
      name: 'Without use',
      is: 'session.idleTimeout',
      text: 'Each use restarts it. Data that a server pushes does not count as use.',
    },
    {
      name: 'At most',
      is: 'session.absoluteTimeout',
      text: 'From the login. The browser deletes the cookie when it closes.',
    },
    {
      name: 'Remembered, without use',
      is: 'session.remember.idleTimeout',
      text: 'With `session.remember`, for people who chose it.',
    },
    { name: 'Remembered, at most', is: 'session.remember.absoluteTimeout', text: 'The cookie lasts as long.' },
  ],
  Tokens: [
    {
      name: 'Upstream token',
      is: 'upstreamToken.lifetime',
      text: 'For one upstream. Minted for a request, and reused while fresh.',
    },
    {
      name: 'Access token',
      is: 'refresh.accessToken.lifetime',
      text: 'Of an app with a refresh token. Never outlives the session.',
    },
    {
      name: 'Replaced refresh token',
      is: 'refresh.grace',
      text: 'Gets the same successor for this long; after that it counts as stolen, and the session ends. A family of refresh tokens lives as long as its session.',
    },
    {
      name: 'Exchanged token',
      is: 'tokenEndpoint.exchangeLifetime',
      text: 'Never outlives the presented token.',
    },
    {
      name: 'Service token issued here',
      is: 'tokenEndpoint.serviceTokenLifetime',
      text: 'From the token endpoint, for the service itself.',
    },
    {
      name: 'Service token from elsewhere',
      is: 'issuers.<name>.maxLifetime',
      text: 'A token with a longer lifetime is refused.',
    },
    { name: 'Clock skew of an issuer', is: 'issuers.<name>.clockSkew', text: 'For `exp`, `nbf` and `iat`.' },
  ],
  Keys: [
    {
      name: 'Signing key',
      is: 'upstreamToken.keys.rotateEvery',
      text: 'Until `sallyport keys rotate`, or for this long. An old key stays published until the last token that it signed has expired.',
    },
    {
      name: 'New key before it signs',
      is: 'upstreamToken.keys.publishBefore',
      text: 'Gives verifiers time to fetch it.',
    },
    {
      name: 'Key set at verifiers',
      is: 'upstreamToken.jwksMaxAge',
      text: '`Cache-Control` of `/.well-known/jwks.json`.',
    },
    {
      name: 'Keys of an issuer, fetched',
      is: 'issuers.<name>.fetch.refreshEvery',
      text: 'A withdrawn key is accepted until then.',
    },
    {
      name: 'Keys of an issuer, unreachable',
      is: 'issuers.<name>.fetch.maxStale',
      text: 'After that, its tokens get 503.',
    },
    {
      name: 'Keys of a provider, fetched',
      is: 'login.oidc[].refreshEvery',
      text: 'And at once for an unknown key.',
    },
  ],
  'Until a change takes effect': [
    {
      name: 'Provider is asked again',
      is: 'login.oidc[].revalidate',
      text: 'For new roles and closed accounts. A logout token of the provider takes effect at once.',
    },
    {
      name: 'Provider does not answer',
      is: 'login.oidc[].outageGrace',
      text: 'With `revalidate`: sessions that it confirmed this recently continue; after that, their requests wait, and get 503.',
    },
    {
      name: 'End of a session, everywhere',
      is: 'session.cache.feedTimeout',
      text: 'Normally milliseconds, through the feed. If the feed is silent for this long, every request reads the store.',
    },
    {
      name: 'Session deleted in Redis by hand',
      is: 'session.cache.recheckAfter',
      text: 'The feed does not announce it.',
    },
    {
      name: 'Store does not answer',
      is: 'session.cache.outageGrace',
      text: 'Sessions verified this recently are still served; others get 503.',
    },
  ],
};

type Schema = z.core.$ZodType;

/** The default of a key, as it is written; `null` for a key without one. Throws for a key that does not exist. */
function defaultOf(key: string): string | null {
  let at: readonly Schema[] = [bareSchema()];
  let fallback: unknown;
  for (const part of key.split(/\.|(?=\[\])/)) {
    const found = at.flatMap((schema) => {
      const inner = part === '[]' || part === '<name>' ? entriesOf(schema) : shapeOf(schema)?.[part];
      return inner == null ? [] : [unwrap(inner)];
    });
    fallback = found[0]?.fallback;
    at = found.flatMap(({ schema }) => alternativesOf(schema));
  }
  if (at.length === 0) throw new Error(`${key} is not a key of the configuration`);
  if (fallback === undefined) return null;
  if (typeof fallback !== 'string' || parseDurationMs(fallback) === null) throw new Error(`${key} is not a duration`);
  return fallback;
}

const durationOf = ({ is }: Lifetime): string | null => (typeof is === 'number' ? formatDuration(is) : defaultOf(is));

/** Writes the page. */
export function lifetimesPage(): string {
  const sections = Object.entries(GROUPS).map(([title, rows]) => {
    const cells = rows.map((row) => [
      row.name,
      `**${durationOf(row) ?? 'off'}**`,
      typeof row.is === 'number' ? 'fixed' : code(row.is),
      cell(row.text),
    ]);
    return `## ${title}\n\n${table(['What', 'By default', 'Key', 'Notes'], cells)}`;
  });
  return `${generated('scripts/reference/lifetimes.ts')}
# How long everything lives

![Lifetimes of logins, sessions, tokens and keys, each as a bar on a scale from one second to ninety days; the tables below say the same](../images/lifetimes.svg)

These are the defaults. The [configuration](configuration.md) lists the limits of each key; \`sallyport validate\` warns about values that
do not fit together.

${sections.join('\n')}
Three of them bound how long a stolen secret is usable:

- a cookie: until its session ends, which is at once after \`sallyport sessions revoke\`
- an upstream token: two minutes, or less at verifiers that [follow revocations](../how-to/revoke-tokens.md)
- a signing key: until you [rotate it](cli.md#keys-rotate) and the last token that it signed has expired
`;
}

const WIDTH = 900;
const AXIS = { left: 330, right: 790 };
const LONGEST_MS = 90 * 86_400_000;
const TICKS = ['1s', '10s', '1m', '10m', '1h', '12h', '7d', '30d', '90d'];

const round = (x: number) => Math.round(x * 10) / 10;

/** On a logarithmic scale, from one second on. */
const positionOf = (duration: string): number => {
  const seconds = Math.max(1, (parseDurationMs(duration) ?? 0) / 1_000);
  return round(AXIS.left + ((AXIS.right - AXIS.left) * Math.log(seconds)) / Math.log(LONGEST_MS / 1_000));
};

const STYLE = `
text{font:13px system-ui,sans-serif;fill:var(--text)}
.group{font-weight:600;font-size:14px}.key{font:11px ui-monospace,monospace;fill:var(--muted)}
.tick{font-size:11px;fill:var(--muted);text-anchor:middle}.grid{stroke:var(--grid)}.page{fill:var(--page)}
svg{--page:#fff;--text:#1f2328;--muted:#59636e;--grid:#d1d9e0}
.g0{fill:#0969da}.g1{fill:#1a7f37}.g2{fill:#8250df}.g3{fill:#bc4c00}.g4{fill:#cf222e}
@media (prefers-color-scheme:dark){svg{--page:#0d1117;--text:#f0f6fc;--muted:#9198a1;--grid:#3d444d}
.g0{fill:#4493f8}.g1{fill:#3fb950}.g2{fill:#ab7df8}.g3{fill:#db6d28}.g4{fill:#f85149}}`;

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Draws the picture: a bar for each lifetime. In light and dark, by what its reader prefers. */
export function lifetimesPicture(): string {
  const drawn: string[] = [];
  let y = 40;
  for (const [index, [title, rows]] of Object.entries(GROUPS).entries()) {
    drawn.push(`<text class="group" x="16" y="${y + 16}">${escaped(title)}</text>`);
    y += 28;
    for (const row of rows) {
      const duration = durationOf(row);
      const end = positionOf(duration ?? '1s');
      drawn.push(
        `<text x="16" y="${y + 12}">${escaped(row.name)}</text>`,
        `<text class="key" x="16" y="${y + 26}">${typeof row.is === 'number' ? 'fixed' : escaped(row.is)}</text>`,
        duration === null
          ? ''
          : `<rect class="g${index}" x="${AXIS.left}" y="${y + 5}" width="${round(Math.max(3, end - AXIS.left))}" height="14" rx="3"/>`,
        `<text x="${round(Math.max(end, AXIS.left + 3) + 8)}" y="${y + 16}">${duration ?? 'off by default'}</text>`,
      );
      y += 36;
    }
    y += 10;
  }
  const ticks = TICKS.flatMap((tick) => [
    `<line class="grid" x1="${positionOf(tick)}" y1="32" x2="${positionOf(tick)}" y2="${y}"/>`,
    `<text class="tick" x="${positionOf(tick)}" y="22">${tick}</text>`,
  ]);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 12}" role="img" aria-labelledby="title">
<title id="title">How long everything lives, by default</title>
<style>${STYLE}</style>
<rect class="page" width="100%" height="100%"/>
${[...ticks, ...drawn].filter((line) => line !== '').join('\n')}
</svg>
`;
}
