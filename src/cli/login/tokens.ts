/** The access token of a login, renewed when it is about to expire: by one process at a time. */

import { ConfigFault } from '../../errors.ts';
import type { CliIo } from '../command.ts';
import { withLock } from './lock.ts';
import { LoginFile, type StoredLogin } from './store.ts';

/** A returned token is valid for at least this long, so that the request for which it is needed can be sent. */
const MIN_LEFT_MS = 30_000;

/** Errors after which the same refresh token may work. */
const TEMPORARY = new Set(['temporarily_unavailable', 'server_error']);

/**
 * An access token that is good for a while.
 *
 * @throws ConfigFault when there is no login, or it has ended
 */
export async function accessTokenFor(origin: string, io: CliIo): Promise<string> {
  const file = new LoginFile(origin, io);
  const login = await requireLogin(origin, file);
  if (leftMs(login, io) >= MIN_LEFT_MS) return login.accessToken;
  return withLock(`${file.path}.lock`, io.clocks.monotonicMs, async () => {
    // The previous holder of the lock has renewed it already.
    const present = await requireLogin(origin, file);
    return leftMs(present, io) >= MIN_LEFT_MS ? present.accessToken : renew(present, file, io);
  });
}

const leftMs = ({ expiresAtMs }: StoredLogin, { clocks }: CliIo): number => expiresAtMs - clocks.wallMs();

async function requireLogin(origin: string, file: LoginFile): Promise<StoredLogin> {
  const login = await file.read();
  if (login !== null && login.origin === origin) return login;
  throw new ConfigFault(`not logged in to ${origin}: sallyport login ${origin}`);
}

async function renew(login: StoredLogin, file: LoginFile, io: CliIo): Promise<string> {
  const { refreshTokenGrant } = await import('openid-client');
  const { findGateway, inWords, loginOf, oauthErrorOf } = await import('./gateway.ts');
  const { origin } = login;
  try {
    const { config } = await findGateway(origin);
    const renewed = loginOf(origin, await refreshTokenGrant(config, login.refreshToken), io.clocks.wallMs());
    await file.write(renewed);
    return renewed.accessToken;
  } catch (thrown) {
    const error = oauthErrorOf(thrown);
    if (error === 'invalid_grant') await file.remove();
    // Even if the gateway does not answer, a token that has not expired is valid.
    else if ((error === null || TEMPORARY.has(error)) && leftMs(login, io) > 0) return login.accessToken;
    throw inWords(origin, thrown);
  }
}
