/** The same person is the same principal, by session cookie and by access token: same claims, same rules, same end. */

import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { systemClocks } from '../../../src/lib/clock.ts';
import { HOST } from '../../support/gateway.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { jsonOf } from '../login/fixture.ts';
import { RefreshStage } from './fixture.ts';

const CREDENTIAL = ['session', { service: ['ourselves'] }];

class Person implements AsyncDisposable {
  readonly stage: RefreshStage;
  readonly upstream: RecordingUpstream;

  private constructor(stage: RefreshStage, upstream: RecordingUpstream) {
    this.stage = stage;
    this.upstream = upstream;
  }

  static async start(refresh: object = {}): Promise<Person> {
    const upstream = await RecordingUpstream.start();
    const stage = await RefreshStage.start({
      clocks: systemClocks,
      upstream: upstream.origin,
      refresh,
      config: {
        issuers: { ourselves: { own: {} } },
        upstreamToken: { claims: { roles: 'user.roles', email: 'user.email', method: 'session.method' } },
      },
      routes: [
        {
          id: 'api',
          match: { path: '/api' },
          credential: CREDENTIAL,
          audience: 'api',
          identityHeaders: { 'X-User': 'subject', 'X-Email': 'user.email', 'X-Issuer': 'issuer' },
        },
        { id: 'roles', match: { path: '/roles' }, credential: CREDENTIAL, allow: { roles: ['customer'] } },
        { id: 'no', match: { path: '/no' }, credential: CREDENTIAL, allow: { roles: ['admin'] } },
      ],
    });
    return new Person(stage, upstream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }

  get(path: string, credential: string) {
    return rawRequest(this.stage.login.gateway.port, requestHead('GET', path, [HOST, credential]));
  }

  /** The claims and the identity headers that the upstream gets. */
  async seen(credential: string) {
    expect((await this.get('/api', credential)).status).toBe(200);
    const request = this.upstream.last;
    const { iat, exp, jti, ...claims } = decodeJwt(request.values('authorization')[0]?.replace('Bearer ', '') ?? '');
    return { claims, headers: ['x-user', 'x-email', 'x-issuer'].map((name) => request.values(name)) };
  }
}

const byToken = (answer: Record<string, unknown>) => `Authorization: Bearer ${String(answer['access_token'])}`;

describe('one person', () => {
  test('A5: an upstream sees the same claims for a cookie and a token, apart from the token’s scopes', async () => {
    await using person = await Person.start({ accessToken: { scopes: ['read'] } });
    const cookie = await person.stage.login.gateway.cookie('alice', { roles: ['customer'], email: 'a@example.com' });
    const bySession = await person.seen(cookie);
    expect(bySession.claims).toMatchObject({ sub: 'alice', roles: ['customer'], method: 'password' });

    const answer = await person.stage.native();
    const token = await person.seen(byToken(answer));
    expect(Object.keys(token.claims).toSorted()).toEqual([...Object.keys(bySession.claims), 'scope'].toSorted());
    expect(token.claims).not.toHaveProperty('presented_iss');
    expect(token.claims['roles']).toEqual(bySession.claims['roles']);
    expect(token.claims['sid']).toBe(decodeJwt(String(answer['access_token']))['sid']);
    expect(token.headers[0]).toEqual(['alice']);
    expect(token.headers[2]).toEqual([]);
  });

  test('A5: a rule about roles uses the roles of the session', async () => {
    await using person = await Person.start();
    const credential = byToken(await person.stage.native());
    expect((await person.get('/roles', credential)).status).toBe(200);
    expect((await person.get('/no', credential)).status).toBe(403);
  });

  test('A5: concurrent requests get the scopes of their own tokens', async () => {
    await using person = await Person.start({ accessToken: { scopes: ['read', 'write'] } });
    const wide = await person.stage.native();
    const narrow = jsonOf(await person.stage.refresh(wide['refresh_token'], { scope: 'read' }));
    await Promise.all([wide, narrow].map((answer) => person.get('/api', byToken(answer))));
    const scopes = person.upstream.requests.map(
      (request) => decodeJwt(request.values('authorization')[0]?.replace('Bearer ', '') ?? '')['scope'],
    );
    expect(scopes.toSorted()).toEqual(['read', 'read write']);
  });

  test('A5: when the session ends, its token gets 401 invalid_token (RFC 6750)', async () => {
    await using person = await Person.start();
    const answer = await person.stage.native();
    expect((await person.get('/api', byToken(answer))).status).toBe(200);
    await person.stage.login.gateway.gateway.sessions.endAll('alice', 'operator');
    const refused = await person.get('/api', byToken(answer));
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
    ]);
  });
});

test('S8: refresh and known-device cookies reach no upstream, however they are written', async () => {
  await using person = await Person.start();
  const cookie = await person.stage.login.gateway.cookie('alice');
  for (const own of ['__Secure-refresh', '__Host-known-device']) {
    for (const pair of [
      `${own}=secret`,
      `${own} =secret`,
      `\t${own}=secret`,
      `=${own}=secret`,
      ` = ${own}=secret`,
      own,
    ]) {
      const response = await person.get('/api', `${cookie}; theme=dark;${pair}; a=b`);
      expect([pair, response.status]).toEqual([pair, 200]);
      const [seen = ''] = person.upstream.last.values('cookie');
      expect([pair, seen.includes('secret'), seen.includes(own)]).toEqual([pair, false, false]);
      expect(seen).toMatch(/^theme=dark; ?a=b$/);
    }
  }
});
