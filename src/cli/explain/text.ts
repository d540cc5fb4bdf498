/** An explanation for people. */

import { withoutControls } from '../io/output.ts';
import type { CriterionResult, Explanation, PassedOver } from './explanation.ts';
import { limitLines } from './limits.ts';

/** At most this many routes that were passed over are shown. */
const MOST_PASSED_OVER = 8;

/** A label and the lines beside it. */
type Section = readonly [label: string, lines: readonly string[]];

/** Writes an explanation as labelled lines. Sections without lines are left out. */
export function explanationText(explanation: Explanation): string {
  return [...requestSections(explanation), ...decisionSections(explanation), ...outcomeSections(explanation)]
    .flatMap(([label, lines]) =>
      lines.map((line, index) => `${(index === 0 ? label : '').padEnd(12)}${withoutControls(line)}\n`),
    )
    .join('');
}

function requestSections({ request, canonical, outcome }: Explanation): Section[] {
  const { method, target, host, assumesOwnPage, httpVersion } = request;
  const note = assumesOwnPage
    ? ['sent from a page of the same origin, unless --header "Origin: …" says otherwise']
    : [];
  return [
    ['Request', [`${method} ${target} on ${host}${httpVersion === '2' ? ' over HTTP/2' : ''}`, ...note]],
    [
      'Read as',
      canonical === null
        ? []
        : [
            `host ${canonical.host}, path ${canonical.path}, query ${canonical.query || 'none'}`,
            `from ${canonical.client} by ${canonical.scheme}; public origin ${canonical.publicOrigin ?? 'none'}`,
            ...(canonical.loginOrigin === canonical.publicOrigin ? [] : [`people log in at ${canonical.loginOrigin}`]),
          ],
    ],
    ['Answered', outcome === 'own endpoint' ? ['by the gateway itself, as one of its own endpoints'] : []],
  ];
}

function decisionSections({ route, passedOver, credential, streams, allow, require, limits }: Explanation): Section[] {
  return [
    ['Route', route === null ? [] : [`${route.id} by ${route.pattern}`]],
    ['Passed over', passedOverLines(route === null ? passedOver : passedOver.filter(({ isNear }) => isNear))],
    ['Credential', credential === null ? [] : [`needs ${credential.needed}; presented: ${credential.presented}`]],
    ['Streams', streams === null ? [] : [streams]],
    ['Allow', (allow ?? []).flatMap((verdict) => verdictLines(verdict, 0))],
    ['Require', (require ?? []).flatMap((verdict) => verdictLines(verdict, 0))],
    ['Limits', limits === null ? [] : limitLines(limits)],
  ];
}

function outcomeSections({ outcome, upstream, headers, token, response }: Explanation): Section[] {
  const fields = (record: Readonly<Record<string, string>>) =>
    Object.entries(record).map(([name, value]) => `${name}: ${value}`);
  if (response !== null) {
    const { status, title, reason, note } = response;
    return [
      ['Verdict', [`refused: ${status}${title === null ? '' : ` ${title}`}`]],
      ['Reason', reason === null ? [] : [`${reason}${note === null ? '' : `: ${note}`}`]],
      ['Response', fields(response.headers)],
    ];
  }
  if (headers === null) return [];
  return [
    [
      'Verdict',
      [outcome === 'allowed' ? 'allowed: the proxy gets 200, and forwards the request with these changes' : 'allowed'],
    ],
    ['Upstream', upstream === null ? [] : upstreamLines(upstream)],
    ['Removed', [headers.removed.join(', ') || 'nothing']],
    ['Added', fields(headers.added)],
    [
      'Token',
      token === null
        ? ['none']
        : token.protectedHeader === null
          ? [String(token.claims)]
          : [token.kind, JSON.stringify(token.protectedHeader), ...JSON.stringify(token.claims, null, 2).split('\n')],
    ],
  ];
}

const upstreamLines = ({ name, method, endpoints, target, host }: NonNullable<Explanation['upstream']>) => [
  `${name}: ${method} ${endpoints.map((endpoint) => endpoint + target).join(' or ')}`,
  `Host: ${host}`,
];

/** First the routes that missed only the method, then those that missed the path. */
function passedOverLines(passedOver: readonly PassedOver[]): string[] {
  const order = { method: 0, path: 1, host: 2 };
  const sorted = passedOver.toSorted((a, b) => order[a.because] - order[b.because]);
  const lines = sorted
    .slice(0, MOST_PASSED_OVER)
    .map(({ route, pattern, because }) => `${route} by ${pattern}: another ${because}`);
  const more = sorted.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more (--json lists all)`] : lines;
}

function verdictLines({ criterion, holds, parts }: CriterionResult, depth: number): string[] {
  const line = `${'  '.repeat(depth)}${holds ? 'yes' : 'no '} ${criterion}`;
  return [line, ...parts.flatMap((part) => verdictLines(part, depth + 1))];
}
