/** What each client of the configuration may have: for which audiences it gets tokens, and with which scopes. */

import { Denial } from '../../errors.ts';
import type { TokenEndpointConfig } from './section.ts';

/** Audience → scopes that a token for it can have. */
type ScopesByAudience = ReadonlyMap<string, ReadonlySet<string>>;

/** What one client may have. */
export interface ClientPolicy {
  readonly id: string;
  /** Who it is in tokens: `act.sub` of what it exchanges, `sub` of its own. */
  readonly subject: string;
  /** Its own audiences: it may exchange only tokens with one of these as `aud`. */
  readonly audiences: ReadonlySet<string>;
  readonly exchange: ScopesByAudience;
  readonly serviceTokens: ScopesByAudience;
}

/** Where a token is for, and which scopes it can have at most. */
interface Target {
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
}

const NO_GRANTS = new Denial('grant_forbidden', 'the client has no audience for this grant');
const UNKNOWN_TARGET = new Denial('target_forbidden', 'audience is not one that the client may have');
const NO_TARGET = new Denial('target_forbidden', 'no audience, and the client has more than one');
const EXCEEDED = new Denial('scope_exceeded', 'scope is more than can be granted');

/** Compiles the clients, by id. */
export function clientPolicies(clients: TokenEndpointConfig['clients']): ReadonlyMap<string, ClientPolicy> {
  const grants = (written: TokenEndpointConfig['clients'][string]['exchange']): ScopesByAudience =>
    new Map(Object.entries(written).map(([audience, { scopes }]) => [audience, new Set(scopes)]));
  return new Map(
    Object.entries(clients).map(([id, { subject = id, audiences = [id], exchange, serviceTokens }]) => [
      id,
      { id, subject, audiences: new Set(audiences), exchange: grants(exchange), serviceTokens: grants(serviceTokens) },
    ]),
  );
}

/**
 * Chooses the audience of a token, and the scopes that it can have at most.
 *
 * @param audience  the requested one; `null` stands for the only one that there is
 * @returns a Denial `grant_forbidden` | `target_forbidden`
 */
export function chooseTarget(grants: ScopesByAudience, audience: string | null): Target | Denial {
  const [only] = grants.keys();
  if (only === undefined) return NO_GRANTS;
  if (audience === null && grants.size > 1) return NO_TARGET;
  const chosen = audience ?? only;
  const scopes = grants.get(chosen);
  return scopes === undefined ? UNKNOWN_TARGET : { audience: chosen, scopes };
}

/**
 * The scopes that a token gets.
 *
 * @param asked      `null` stands for all that can be granted (RFC 6749 §3.3)
 * @param grantable  never exceeded: what is asked beyond it is refused, not left out
 * @returns a Denial `scope_exceeded`
 */
export function chooseScopes(
  asked: ReadonlySet<string> | null,
  grantable: ReadonlySet<string>,
): ReadonlySet<string> | Denial {
  if (asked === null) return grantable;
  return [...asked].every((scope) => grantable.has(scope)) ? asked : EXCEEDED;
}
