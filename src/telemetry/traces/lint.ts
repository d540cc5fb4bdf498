/** Rules about traces: what is sent in the clear, and settings that cannot be meant. */

import { defineCodes, warning } from '../../config/findings/problem.ts';
import type { LintContext } from '../../config/lint.ts';
import { isLoopbackHost } from '../../lib/address.ts';
import type { TracesConfig } from './section.ts';

/** Codes of the findings about traces. */
export const codes = defineCodes({
  'traces/plain-http': warning(
    'The headers of `traces.headersFile` are sent over plain http to another host: anyone on the network path can read them.',
  ),
  'traces/path': warning('The URL of `traces` has no path: a collector takes spans at `/v1/traces`.'),
  'traces/any-client': warning(
    '`traces.trustParent: all` on a listener for clients: each of them decides whether its requests are recorded, up to `traces.maxPerSecond`.',
  ),
  'traces/nothing-recorded': warning('A configuration of `traces` in which no request is ever recorded.'),
});

interface TracedDraft {
  readonly traces?: TracesConfig | undefined;
  readonly listeners?:
    | {
        readonly public: { readonly trustedProxies: readonly string[] };
        readonly authorizer?: unknown;
        readonly grpcAuthorizer?: unknown;
      }
    | undefined;
  readonly outbound?: unknown;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<TracedDraft>): void {
  const { traces, listeners, outbound } = draft;
  if (traces === undefined) return;
  const { protocol, hostname, pathname } = new URL(traces.url);
  if (protocol === 'http:' && traces.headersFile !== undefined && !isLoopbackHost(hostname)) {
    source.report(
      codes['traces/plain-http'],
      ['traces', 'url'],
      `spans go over plain http to ${hostname}, with the headers of headersFile: anyone on the network path can read them`,
      'use https',
    );
  }
  if (pathname === '/') {
    source.report(
      codes['traces/path'],
      ['traces', 'url'],
      'the URL has no path, and most collectors take spans at /v1/traces',
      `write ${new URL('/v1/traces', traces.url).href}`,
    );
  }
  if (traces.trustParent === 'all') {
    source.report(
      codes['traces/any-client'],
      ['traces', 'trustParent'],
      'every client decides whether its requests are recorded',
      'list the proxies in front in listeners.public.trustedProxies, or accept this warning',
    );
  }
  if (listeners === undefined || traces.sampleRatio > 0 || traces.trustParent === 'all') return;
  const { public: front, authorizer, grpcAuthorizer } = listeners;
  const hasProxies = front.trustedProxies.length > 0 || authorizer !== undefined || grpcAuthorizer !== undefined;
  if (outbound !== undefined || (hasProxies && traces.trustParent === 'trustedProxies')) return;
  source.report(
    codes['traces/nothing-recorded'],
    ['traces', 'sampleRatio'],
    'with sampleRatio: 0, only requests that continue a trace are recorded, and nobody is trusted to continue one',
    'set sampleRatio, or list the proxies in front in listeners.public.trustedProxies',
  );
}
