/** Randomised: whatever a workload or an authorization server sends, only the destination's token goes out. */

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acceptWorkload } from '../../src/authentication/workload/kind.ts';
import { WorkloadVerifier } from '../../src/authentication/workload/verifier.ts';
import { Denial } from '../../src/errors.ts';
import { HeaderScan } from '../../src/sanitize/headers.ts';
import type { ScreenedRequest } from '../../src/sanitize/sanitize.ts';
import { TestAuthorizationServer } from '../support/issuers/authorization-server.ts';
import { OutboundStage, ReplacedFiles } from './stage.ts';

/** A request, reduced to its credential. */
const request = (headers: readonly string[], authorization: string | null = null): ScreenedRequest =>
  ({ headers, authorization, fields: new HeaderScan() }) as unknown as ScreenedRequest;

describe('the workload', () => {
  const authenticator = new WorkloadVerifier('cart');
  const plain = acceptWorkload(false);
  const exchanging = acceptWorkload(true);

  test('is refused with a Sec-Fetch header in any position or spelling', () => {
    const spelled = fc
      .tuple(fc.constantFrom('site', 'dest', 'user', 'storage-access', 'later'), fc.infiniteStream(fc.boolean()))
      .map(([name, upper]) => [...`sec-fetch-${name}`].map((c) => (upper.next().value ? c.toUpperCase() : c)).join(''));
    const other = fc.constantFrom(
      'Accept',
      'X-Sec-Fetch-Site',
      'Sec-Fetch-Mode',
      'sec-fetch-mode',
      'Sec-Fetch',
      'Sec-WebSocket-Key',
      '__proto__',
    );
    fc.assert(
      fc.property(fc.array(other), fc.option(spelled), fc.array(other), (before, browser, after) => {
        const names = [...before, ...(browser === null ? [] : [browser]), ...after];
        const found = authenticator.authenticate(request(names.flatMap((name) => [name, 'x'])), plain);
        expect(found instanceof Denial).toBe(browser !== null);
      }),
    );
  });

  test('has a token to exchange only if it sends exactly one bearer token', () => {
    fc.assert(
      fc.property(fc.string(), fc.stringMatching(/^[A-Za-z0-9._~+/-]+=*$/), (anything, token) => {
        const found = authenticator.authenticate(request([], `Bearer ${token}`), exchanging);
        expect(found).toMatchObject({ kind: 'service', subject: 'cart', credential: { compact: token } });
        const odd = authenticator.authenticate(request([], anything), exchanging);
        if (!/^bearer [A-Za-z0-9._~+/-]+=*$/i.test(anything)) expect(odd).toBeInstanceOf(Denial);
        expect(authenticator.authenticate(request([], anything), plain)).toMatchObject({
          credential: { compact: null },
        });
      }),
    );
  });

  test('never shares a token between calls', () => {
    const first = authenticator.authenticate(request([], 'Bearer a'), exchanging);
    authenticator.authenticate(request([], 'Bearer b'), exchanging);
    expect(first).toMatchObject({ credential: { compact: 'a' } });
    expect(authenticator.authenticate(request([]), exchanging)).toMatchObject({ credential: { compact: null } });
  });
});

describe('an authorization server with an arbitrary answer', () => {
  let files: ReplacedFiles;
  let server: TestAuthorizationServer;
  let stage: OutboundStage;
  beforeAll(async () => {
    files = new ReplacedFiles();
    server = await TestAuthorizationServer.start();
    const exchange = {
      tokenUrl: server.tokenUrl,
      clientId: 'cart',
      clientSecretFile: files.put('secret', 'a-secret-of-the-workload'),
      coolDown: '0s',
    };
    stage = await OutboundStage.start({ destinations: [{ token: { exchange } }] });
  });
  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    files[Symbol.dispose]();
  });

  test('leads to its token in exactly one header, or to no call', async () => {
    const member = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[A-Za-z0-9._~+/=-]{1,12}$/),
      fc.constantFrom(
        'Bearer',
        'bearer',
        'N_A',
        'DPoP',
        'invalid_grant',
        'invalid_target',
        null,
        true,
        300,
        -1,
        1e308,
        '300',
      ),
      fc.jsonValue(),
    );
    const document = fc.record(
      { access_token: member, token_type: member, expires_in: member, error: member },
      { requiredKeys: [] },
    );
    const usual = fc.record({ access_token: member, token_type: fc.constant('Bearer'), expires_in: member });
    const body = fc.oneof(document, usual, fc.jsonValue()).map((value) => JSON.stringify(value));
    let call = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(body, fc.string()),
        fc.constantFrom(200, 200, 200, 201, 204, 302, 400, 400, 401, 500),
        async (text, status) => {
          server.answer = (_request, response) => void response.writeHead(status).end(text);
          stage.orders.reset();
          call += 1;
          const answer = await stage.call('/', `Authorization: Bearer call-${call}`);
          expect([200, 401, 403, 503]).toContain(answer.status);
          if (answer.status !== 200) {
            expect(stage.orders.requests).toEqual([]);
            return;
          }
          const { access_token: token } = JSON.parse(text) as { access_token: string };
          expect(status).toBe(200);
          expect(token).toMatch(/^[A-Za-z0-9._~+/-]+=*$/);
          expect(stage.orders.last.values('authorization')).toEqual([`Bearer ${token}`]);
          expect(stage.orders.problems).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
