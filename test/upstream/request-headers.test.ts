import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identityHeaderValue } from '../../src/upstream/request-headers.ts';
import { HOST, startGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const wellFormed = () =>
  fc
    .string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 12 })
    .map((text) => text.toWellFormed());

describe('identity header values', () => {
  test('UPS-01: any attribute becomes visible ASCII that cannot end a header', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(identityHeaderValue(value as never)).toMatch(/^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/);
      }),
    );
  });

  test('UPS-01: a list keeps its number of items, and each can be decoded', () => {
    fc.assert(
      fc.property(fc.array(wellFormed(), { minLength: 1, maxLength: 5 }), (items) => {
        expect(identityHeaderValue(items).split(',').map(decodeURIComponent)).toEqual(items);
      }),
    );
  });

  test.for([
    ['Zoë', 'Zo%C3%AB'],
    ['a\r\nX-Admin: 1', 'a%0D%0AX-Admin: 1'],
    ['50%', '50%25'],
    ['x,admin', 'x%2Cadmin'],
    [' admin ', '%20admin%20'],
    ['\u00a0admin', '%C2%A0admin'],
    [['a', 'b,c'], 'a,b%2Cc'],
    [['a'], 'a'],
    [[], ''],
    [true, 'true'],
    [1.5, '1.5'],
    [{ a: [1, 2] }, '{"a":[1%2C2]}'],
  ] as const)('UPS-01: %j is written as %j', ([value, written]) => {
    expect(identityHeaderValue(value as never)).toBe(written);
  });
});

describe('headers that describe the client and the route of the request', () => {
  const heads = async (config: Record<string, unknown>, ...lines: string[]) => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startGateway({
      config: { upstreams: { app: { endpoints: [upstream.origin], ...config } } },
      routes: [
        {
          id: 'app',
          match: { path: '/' },
          credential: 'none',
          requestHeaders: { set: { 'X-Service': 'shop' }, remove: ['X-Debug'] },
        },
      ],
    });
    const answer = await rawRequest(gateway.port, requestHead('GET', '/x', [HOST, ...lines]));
    expect(answer.status).toBe(200);
    expect(upstream.problems).toEqual([]);
    return upstream;
  };

  test('RFC 7239 §4: Forwarded names the client, the host and the scheme', async () => {
    const { last } = await heads({ forwardedHeaders: 'forwarded' });
    expect(last.values('forwarded')).toEqual(['for=127.0.0.1;host="shop.example.com";proto=https']);
    expect(last.values('x-forwarded-for')).toEqual([]);
  });

  test('an upstream can be configured to get both forms or neither', async () => {
    const both = (await heads({ forwardedHeaders: 'both' })).last;
    expect([both.values('forwarded').length, both.values('x-forwarded-proto')]).toEqual([1, ['https']]);
    const none = (await heads({ forwardedHeaders: 'none' }, 'X-Forwarded-For: 1.2.3.4', 'Forwarded: for=x')).last;
    expect([none.values('forwarded'), none.values('x-forwarded-for')]).toEqual([[], []]);
  });

  test('an upstream can be configured to get the Host of its endpoint', async () => {
    const { last } = await heads({ hostHeader: 'endpoint' });
    expect(last.values('host')).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
    expect(last.values('x-forwarded-host')).toEqual(['shop.example.com']);
  });

  test('RFC 9110 §7.6.3: Via gets another entry', async () => {
    const { last } = await heads({}, 'Via: 1.0 fred', 'Via: 1.1 p.example.net');
    expect(last.values('via')).toEqual(['1.0 fred, 1.1 p.example.net, 1.1 sallyport']);
  });

  test('a valid trace context is passed on; an invalid one is dropped with its state, and none is created', async () => {
    const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const passed = (await heads({}, `Traceparent: ${parent}`, 'Tracestate: a=1')).last;
    expect([passed.values('traceparent'), passed.values('tracestate')]).toEqual([[parent], ['a=1']]);
    for (const invalid of [
      parent.toUpperCase(),
      '00-0-0-00',
      `${parent}, ${parent}`,
      parent.replace(/4bf.*36/, '0'.repeat(32)),
    ]) {
      const { last } = await heads({}, `Traceparent: ${invalid}`, 'Tracestate: a=1');
      expect(last.values('traceparent')).toEqual([]);
      expect(last.values('tracestate')).toEqual([]);
    }
    expect((await heads({})).last.values('traceparent')).toEqual([]);
  });

  test('the headers of the route are set and removed, however the client spells them', async () => {
    const { last, text } = await heads(
      {},
      'X_Service: mine',
      'X-SERVICE: mine',
      'x.debug: 1',
      'X-Debug: 1',
      'X-Other: 2',
    );
    expect(last.values('x-service')).toEqual(['shop']);
    expect(text).not.toMatch(/mine|debug/i);
    expect(last.values('x-other')).toEqual(['2']);
  });

  test('UPS-02: the framing headers of an upstream request are written once, by one writer', async () => {
    const upstream = await heads({}, 'content-length: 0', 'Content_Length: 7', 'CONTENT.LENGTH: 8');
    expect(upstream.text.match(/content.length/gi)).toBeNull();
  });
});

test.each([
  ['upstreamToken.header', 'authorization', {}],
  ['tokenHeader of the route', 'X-Token', { tokenHeader: 'AUTHORIZATION' }],
])(
  'RFC 9110 §5.1: %s may name Authorization in any case, and the token is a Bearer token',
  async (_title, header, route) => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startGateway({
      config: { upstreams: { app: { endpoints: [upstream.origin] } }, upstreamToken: { header } },
      routes: [{ id: 'app', match: { path: '/' }, credential: 'session', ...route }],
    });
    await rawRequest(gateway.port, requestHead('GET', '/', [HOST, await gateway.cookie('bob')]));
    expect(upstream.requests[0]?.values('authorization')).toEqual([expect.stringMatching(/^Bearer ey[\w.-]+$/)]);
  },
);
