/**
 * login: logs a person in at a terminal, stores the login in a file, and renews its tokens. Here: the two ways to log in, up to
 * the answer of the token endpoint. Failures are ConfigFaults that say what to do.
 */

import * as openid from 'openid-client';
import { ConfigFault } from '../../errors.ts';
import type { CliIo } from '../command.ts';
import { hasBrowser, openInBrowser } from './browser.ts';
import type { GatewayAsServer } from './gateway.ts';
import { listenForBrowser } from './loopback.ts';

/** How long a person has to log in. */
const PATIENCE_MS = 5 * 60_000;

/**
 * By the browser on this computer (RFC 8252, RFC 7636).
 *
 * @param opens  whether to open the browser; otherwise only the address is printed
 */
export async function loginByBrowser({ config }: GatewayAsServer, opens: boolean, io: CliIo) {
  const [pkceCodeVerifier, expectedState] = [openid.randomPKCECodeVerifier(), openid.randomState()];
  await using loopback = await listenForBrowser(expectedState, PATIENCE_MS);
  const address = openid.buildAuthorizationUrl(config, {
    redirect_uri: loopback.redirectUri,
    state: expectedState,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  const canOpen = opens && hasBrowser(io);
  io.stderr.write(
    canOpen
      ? `Continue in the browser. If none opens, go to:\n${address}\n`
      : `Continue in a browser on this computer (elsewhere: --device). Go to:\n${address}\n`,
  );
  if (canOpen) openInBrowser(address.href);
  return openid.authorizationCodeGrant(config, await loopback.callback, { pkceCodeVerifier, expectedState });
}

/** By a code that is typed on another device (RFC 8628). @throws ConfigFault when the gateway does not offer it */
export async function loginByDevice(origin: string, { config, hasDeviceGrant }: GatewayAsServer, io: CliIo) {
  if (!hasDeviceGrant)
    throw new ConfigFault(
      `${origin} offers no --device: it needs refresh.commandLine.deviceGrant in its configuration`,
    );
  const begun = await openid.initiateDeviceAuthorization(config, {});
  io.stderr.write(`Go to ${begun.verification_uri} on any device, and type this code:\n\n  ${begun.user_code}\n\n`);
  return openid.pollDeviceAuthorizationGrant(config, begun);
}
