/** `docs/reference/headers.md`: which headers only the gateway writes. */

import { FOREIGN_NAMES, FOREIGN_PREFIXES, OWNED_NAMES, OWNED_PREFIXES } from '../../src/sanitize/owned-headers.ts';
import { code, generated } from './markdown.ts';

const list = (names: readonly string[], ending = '') =>
  names
    .toSorted()
    .map((name) => `- ${code(`${name}${ending}`)}\n`)
    .join('');

/** Writes the page. */
export function headersPage(): string {
  return `${generated('src/sanitize/owned-headers.ts')}
# Headers

A service behind the gateway can trust a header only if clients cannot set it. So the gateway removes these from every request
before it adds its own, on every route, public ones included.

Names are compared in the form into which CGI, WSGI, PHP and similar interfaces fold them: \`X-User\`, \`x_user\` and \`X.User\` are one
name.

## Written by the gateway

The header of the upstream token (\`upstreamToken.header\`), every name in any route's \`identityHeaders\`, \`tokenHeader\` or
\`providerToken\`, and:

${list(OWNED_NAMES)}${list(OWNED_PREFIXES, '…')}
Of these, the upstream gets \`X-Forwarded-For\`, \`-Host\` and \`-Proto\` or \`Forwarded\` (\`upstreams.<name>.forwardedHeaders\`),
\`X-Request-Id\`, the \`traceparent\` of the gateway's span if [the request is recorded](../how-to/trace-requests.md), otherwise that of the
client if it is valid (with \`tracestate\`), and the identity that the route configures.

## Used by other proxies to identify users and addresses

Removed as well, because a service may have been behind one of them before. \`passClientHeaders\` lets selected ones pass.

${list(FOREIGN_NAMES)}${list(FOREIGN_PREFIXES, '…')}`;
}
