/** `explain` with traces configured: it shows which context passes, and records nothing. */

import { expect, test } from 'vitest';
import { TestCollector } from '../support/telemetry/collector.ts';
import { cli } from './support.ts';

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test.each([
  ['trustedProxies', false],
  ['all', true],
])(
  'with trustParent %s, the traceparent of a client passes: %s; nothing is sent to the collector',
  async (trust, passes) => {
    await using collector = await TestCollector.start();
    const config = `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 0.0.0.0:8080 } }
upstreams: { app: { endpoints: [http://127.0.0.1:9] } }
routes:
  - { id: app, match: { path: / }, credential: none, upstream: app }
traces: { url: "${collector.url}", sampleRatio: 1, trustParent: ${trust} }
acceptWarnings: [traces/any-client]
`;
    const { out } = await cli(['explain', 'GET', '/', '--header', `Traceparent: ${PARENT}`, '--json', '-c', '-'], {
      stdin: config,
    });
    const { headers } = JSON.parse(out) as { headers: { removed: unknown[]; added: Record<string, string> } };
    expect(/traceparent/i.test(JSON.stringify(headers.removed))).toBe(!passes);
    expect(headers.added).toHaveProperty('x-request-id');
    expect(headers.added).not.toHaveProperty('traceparent');
    expect(collector.requests).toEqual([]);
  },
);
