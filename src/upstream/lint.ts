/** Rules about upstreams: how tokens reach them, and whether anything uses them. */

import { lintPair } from '../config/files/tls-pair.ts';
import { defineCodes, error, warning } from '../config/findings/problem.ts';
import type { DraftEntries, LintContext } from '../config/lint.ts';
import { reportUnused, uses } from '../config/names.ts';
import { isLoopbackHost } from '../lib/address.ts';
import type { UpstreamConfig } from './section.ts';

/** Codes of the findings about upstreams. */
export const codes = defineCodes({
  'upstreams/plain-http': warning(
    'Plain http to a host other than this machine: anyone on the network path could read the upstream token.',
  ),
  'upstreams/link-local': warning(
    'A link-local address, where clouds serve credentials to every caller: hardly a service that clients should reach.',
  ),
  'upstreams/mixed-protocols': error(
    'An upstream whose endpoints speak different protocols: the same request could succeed or fail depending on the endpoint.',
  ),
});

type Context = LintContext<{ readonly upstreams: DraftEntries<UpstreamConfig> }>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintUses(context);
  lintUpstreams(context);
}

function lintUses(context: Context): void {
  const users = [
    ...uses(context, ['routes'], ['upstream']),
    ...uses(context, ['outbound', 'destinations'], ['upstream']),
  ];
  reportUnused(context, 'upstreams', [...context.draft.upstreams.keys()], users, 'no route goes to it');
}

/** RFC 3927, RFC 4291 §2.5.6, as URLs write them. */
const LINK_LOCAL = /^169\.254\.|^\[fe[89ab][0-9a-f]:/;

function lintUpstreams({ draft, source }: Context): void {
  for (const [name, upstream] of draft.upstreams) {
    if (upstream === undefined) continue;
    lintProtocol(name, upstream, source);
    for (const [index, endpoint] of upstream.endpoints.entries()) {
      const { protocol, hostname } = new URL(endpoint.replace(/^h2c:/, 'http:'));
      if (LINK_LOCAL.test(hostname)) {
        source.report(
          codes['upstreams/link-local'],
          ['upstreams', name, 'endpoints', index],
          `upstream ${JSON.stringify(name)} is on the link-local address ${hostname}`,
        );
      }
      if (protocol === 'https:' || upstream.insecureHttp || isLoopbackHost(hostname)) continue;
      source.report(
        codes['upstreams/plain-http'],
        ['upstreams', name, 'endpoints', index],
        `upstream ${JSON.stringify(name)} is reached over plain ${endpoint.startsWith('h2c:') ? 'h2c' : 'http'} on ${hostname}: anyone on the network path can read its tokens`,
        'use https, or write insecureHttp: true if something else encrypts it',
      );
    }
    lintPair(upstream.tls, ['upstreams', name, 'tls'], source);
  }
}

function lintProtocol(name: string, { endpoints, http2 }: UpstreamConfig, source: Context['source']): void {
  const protocolOf = (endpoint: string) => {
    if (endpoint.startsWith('h2c:')) return 'HTTP/2';
    return http2 && endpoint.startsWith('https:') ? 'HTTP/2' : 'HTTP/1.1';
  };
  const first = http2 ? 'HTTP/2' : protocolOf(endpoints[0] as string);
  for (const [index, endpoint] of endpoints.entries()) {
    if (protocolOf(endpoint) === first) continue;
    source.report(
      codes['upstreams/mixed-protocols'],
      ['upstreams', name, 'endpoints', index],
      `upstream ${JSON.stringify(name)} speaks ${first}, but not with ${endpoint}`,
      endpoint.startsWith('http:')
        ? `write h2c://${new URL(endpoint).host} for HTTP/2 without TLS`
        : 'write http2: true for HTTP/2 with TLS',
    );
  }
}
