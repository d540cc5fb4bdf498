/**
 * A login that opens no session: the user logs in at the provider, and what the provider says about them is mapped and judged
 * as in the gateway. The browser comes back to the gateway, which does not know the login and refuses it without touching the
 * code; the user then pastes the address with the code. So the redirect URI is the registered one.
 */

import { randomBytes } from 'node:crypto';
import { exchangeCode } from '../../endpoints/login/oidc/flow/code-exchange.ts';
import type { IdentityProvider } from '../../endpoints/login/oidc/provider.ts';
import { allowProblem } from '../../endpoints/login/oidc/user/allow.ts';
import type { ClaimDocuments } from '../../endpoints/login/oidc/user/claim-path.ts';
import { mapUser } from '../../endpoints/login/oidc/user/mapping.ts';
import { Denial, DependencyFault } from '../../errors.ts';
import type { CliIo } from '../command.ts';
import { readLine } from '../io/input.ts';
import { authorizationAddress } from './client-requests.ts';
import { type Finding, failure, listed, note, ok, printable, warn } from './finding.ts';

const ABOUT = 'login';
/** Longest address that is read, in characters. */
const MAX_ADDRESS = 16_384;

/** Takes the user through a login. Shows names and types of claims, and what the gateway makes of them. */
export async function testLogin(
  provider: IdentityProvider,
  redirectUri: string,
  { stdin, stderr, clocks }: Pick<CliIo, 'stdin' | 'stderr' | 'clocks'>,
): Promise<readonly Finding[]> {
  if (provider.settings.responseMode === 'formPost')
    return [warn(ABOUT, 'cannot be tried with responseMode formPost: the address that comes back has no code')];
  const [state = '', nonce = '', verifier = ''] = Array.from({ length: 3 }, () =>
    randomBytes(32).toString('base64url'),
  );
  try {
    const address = await authorizationAddress(provider, redirectUri, { state, nonce, verifier }, {});
    stderr.write(
      `Open this address, and log in:\n\n${address}\n\nThe browser comes back to ${redirectUri}, which refuses the login.\nPaste the address of that page here, and press Enter:\n`,
    );
    const back = URL.parse((await readLine(stdin, MAX_ADDRESS)).trim());
    if (back === null || `${back.origin}${back.pathname}` !== redirectUri)
      return [failure(ABOUT, `this address does not begin with ${redirectUri}`)];
    if (back.searchParams.get('state') !== state) return [failure(ABOUT, 'this is the address of another login')];
    const exchanged = await exchangeCode(
      provider,
      new Map(back.searchParams),
      { nonce, verifier },
      redirectUri,
      clocks.wallMs,
    );
    if (exchanged instanceof Denial) return [failure(ABOUT, `${exchanged.reason}: ${exchanged.note}`)];
    return [...userFindings(exchanged.documents, provider), ...refreshFindings(exchanged.tokens, provider)];
  } catch (thrown) {
    if (!(thrown instanceof DependencyFault)) throw thrown;
    return [failure(ABOUT, thrown.message)];
  }
}

function userFindings(documents: ClaimDocuments, { settings }: IdentityProvider): readonly Finding[] {
  const { idToken, userinfo } = documents;
  const claims = [
    ...(idToken === null ? [] : [note('in ID token', namesOf(idToken))]),
    ...(userinfo === null ? [] : [note('in userinfo', namesOf(userinfo))]),
  ];
  const user = mapUser(documents, settings);
  if (user instanceof Denial) return [...claims, failure(ABOUT, `${user.reason}: ${user.note}`)];
  const problem = allowProblem(user, documents, settings.allow);
  return [
    ...claims,
    ok('subject', printable(user.subject)),
    note('attributes', namesOf(user.attributes)),
    ...(settings.roles === null ? [] : [note('roles', listed(user.attributes['roles'] as readonly string[]))]),
    ...(settings.groups === null ? [] : [note('groups', listed(user.groups))]),
    problem === null ? ok(ABOUT, 'this user is let in') : failure(ABOUT, `this user is refused by ${problem}`),
  ];
}

function refreshFindings(
  { refresh_token: refreshToken }: { readonly refresh_token?: string },
  { settings }: IdentityProvider,
): readonly Finding[] {
  if (settings.revalidateEveryMs === null) return [];
  if (refreshToken !== undefined) return [ok('refresh token', 'issued')];
  return [failure('refresh token', 'not issued, but revalidate needs one: nobody can log in without it')];
}

/** Names and types, without a value. */
const namesOf = (claims: Readonly<Record<string, unknown>>): string =>
  printable(
    Object.entries(claims)
      .map(([name, value]) => `${name} (${Array.isArray(value) ? 'list' : typeof value})`)
      .join(', '),
    1_000,
  );
