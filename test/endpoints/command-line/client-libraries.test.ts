/** Logins by third-party libraries, `oauth4webapi` and `openid-client`, configured from the metadata alone. */

import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { describe, expect, test } from 'vitest';
import { PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { CommandLineStage, fieldsOf, locationOf, REDIRECT_URI } from './fixture.ts';

const CLIENT: oauth.Client = { client_id: 'sallyport' };

/** Lets the user allow the request. Returns the address to which the browser is redirected. */
async function allowed(stage: CommandLineStage, address: URL): Promise<URL> {
  const cookie = await stage.login.cookieOf('alice');
  const page = await stage.ask(Object.fromEntries(address.searchParams), cookie);
  return locationOf(await stage.submit('/auth/authorize', { ...fieldsOf(page), decision: 'allow' }, cookie));
}

async function typed(stage: CommandLineStage, userCode: string): Promise<void> {
  const cookie = await stage.login.cookieOf('alice');
  const page = await stage.submit('/auth/device', { user_code: userCode }, cookie);
  const answer = await stage.submit('/auth/device', { ...fieldsOf(page), decision: 'allow' }, cookie);
  expect(answer.status).toBe(200);
}

describe('oauth4webapi', () => {
  const discovered = async (stage: CommandLineStage) => {
    const issuer = new URL(PUBLIC_ORIGIN);
    const options = { algorithm: 'oauth2', [oauth.customFetch]: stage.fetch } as const;
    return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  };

  test('performs the code flow with PKCE, refreshes and revokes', async () => {
    await using stage = await CommandLineStage.start();
    const server = await discovered(stage);
    const options = { [oauth.customFetch]: stage.fetch };
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const address = new URL(server.authorization_endpoint ?? '');
    address.search = new URLSearchParams({
      ...{ client_id: CLIENT.client_id, redirect_uri: REDIRECT_URI, response_type: 'code', state },
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString();
    const callback = oauth.validateAuthResponse(server, CLIENT, await allowed(stage, address), state);
    const redeemed = await oauth.processAuthorizationCodeResponse(
      server,
      CLIENT,
      await oauth.authorizationCodeGrantRequest(
        server,
        CLIENT,
        oauth.None(),
        callback,
        REDIRECT_URI,
        verifier,
        options,
      ),
    );
    expect(redeemed).toMatchObject({ token_type: 'bearer', scope: 'orders:read' });
    const token = redeemed.refresh_token ?? '';
    const refreshed = await oauth.processRefreshTokenResponse(
      server,
      CLIENT,
      await oauth.refreshTokenGrantRequest(server, CLIENT, oauth.None(), token, options),
    );
    expect(refreshed.access_token).not.toBe(redeemed.access_token);
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, CLIENT, oauth.None(), refreshed.refresh_token ?? '', options),
    );
    const ended = oauth.processRefreshTokenResponse(
      server,
      CLIENT,
      await oauth.refreshTokenGrantRequest(server, CLIENT, oauth.None(), refreshed.refresh_token ?? '', options),
    );
    await expect(ended).rejects.toMatchObject({ error: 'invalid_grant', status: 400 });
  });

  test('performs the device flow', async () => {
    await using stage = await CommandLineStage.start();
    const server = await discovered(stage);
    const options = { [oauth.customFetch]: stage.fetch };
    const begun = await oauth.processDeviceAuthorizationResponse(
      server,
      CLIENT,
      await oauth.deviceAuthorizationRequest(server, CLIENT, oauth.None(), {}, options),
    );
    expect(begun).toMatchObject({ verification_uri: `${PUBLIC_ORIGIN}/auth/device`, expires_in: 600, interval: 5 });
    const poll = async () =>
      oauth.processDeviceCodeResponse(
        server,
        CLIENT,
        await oauth.deviceCodeGrantRequest(server, CLIENT, oauth.None(), begun.device_code, options),
      );
    await expect(poll()).rejects.toMatchObject({ error: 'authorization_pending' });
    await expect(poll()).rejects.toMatchObject({ error: 'slow_down' });
    await typed(stage, begun.user_code);
    stage.clocks.advance(5_000);
    expect(await poll()).toMatchObject({ token_type: 'bearer', expires_in: 300 });
  });
});

describe('openid-client', () => {
  const discovered = (stage: CommandLineStage) =>
    openid.discovery(new URL(PUBLIC_ORIGIN), 'sallyport', undefined, openid.None(), {
      algorithm: 'oauth2',
      [openid.customFetch]: stage.fetch,
    });

  test('performs the code flow with PKCE and `iss` (RFC 9207), and reports a refusal', async () => {
    await using stage = await CommandLineStage.start();
    const config = await discovered(stage);
    const [verifier, state] = [openid.randomPKCECodeVerifier(), openid.randomState()];
    const parameters = {
      ...{ redirect_uri: REDIRECT_URI, state, scope: 'orders:read' },
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    };
    const callback = await allowed(stage, openid.buildAuthorizationUrl(config, parameters));
    const checks = { pkceCodeVerifier: verifier, expectedState: state };
    const foreign = new URL(callback);
    foreign.searchParams.set('iss', 'https://evil.example');
    await expect(openid.authorizationCodeGrant(config, foreign, checks)).rejects.toThrow();
    const tokens = await openid.authorizationCodeGrant(config, callback, checks);
    expect(tokens.expiresIn()).toBeGreaterThan(0);
    expect((await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).access_token).toBeTruthy();
    const refused = openid.buildAuthorizationUrl(config, { ...parameters, scope: 'admin' });
    const told = locationOf(await stage.ask(Object.fromEntries(refused.searchParams)));
    await expect(openid.authorizationCodeGrant(config, told, checks)).rejects.toMatchObject({ error: 'invalid_scope' });
  });
});
