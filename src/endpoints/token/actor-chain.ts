/**
 * Who acts for whom: the `act` claim (RFC 8693 §4.1), and the `may_act` claim that limits it (§4.4). In the token of another
 * issuer, a name without an `iss` is a subject of that issuer, never one of this gateway.
 */

import { Denial } from '../../errors.ts';
import type { Claims } from '../../jwt/names.ts';
import { subjectIssuer } from '../../jwt/subject.ts';
import { isJsonObject } from '../../lib/text/json.ts';
import type { Actor } from '../../principal.ts';

const refused = (note: string) => new Denial('subject_token_refused', note);
const MALFORMED = refused('subject token: act is not a chain of subjects');
const TOO_LONG = refused('subject token: already has as many actors as are accepted');
const NOT_MEANT = refused('subject token: may_act names another actor');

/**
 * Puts an actor of this gateway at the head of the chain of a subject token. Of the actors before it, `sub` and `iss` are kept.
 *
 * @param tokenIssuer  whose token it is
 * @param ours         `iss` of this gateway
 * @param maxDepth     actors that the new chain may have
 * @returns a Denial `subject_token_refused`
 */
export function actingFor(
  { act }: Claims,
  actor: string,
  { tokenIssuer, ours, maxDepth }: { readonly tokenIssuer: string; readonly ours: string; readonly maxDepth: number },
): Actor | Denial {
  if (act === undefined) return { sub: actor };
  const earlier = readChain(act, tokenIssuer, ours, maxDepth - 1);
  return earlier instanceof Denial ? earlier : { sub: actor, act: earlier };
}

/**
 * Whether a subject token says that another may act for its subject.
 *
 * @param tokenIssuer  whose token it is
 * @param ours         `iss` of this gateway: `actor` is one of its subjects
 * @returns a Denial `subject_token_refused`; `null` when it says nothing or names this one
 */
export function mayActProblem(
  { may_act: mayAct }: Claims,
  actor: string,
  tokenIssuer: string,
  ours: string,
): Denial | null {
  if (mayAct === undefined) return null;
  if (!isJsonObject(mayAct) || mayAct['sub'] !== actor) return NOT_MEANT;
  return (mayAct['iss'] ?? tokenIssuer) === ours ? null : NOT_MEANT;
}

function readChain(act: unknown, tokenIssuer: string, ours: string, atMost: number): Actor | Denial {
  if (!isJsonObject(act) || typeof act['sub'] !== 'string' || act['sub'] === '') return MALFORMED;
  const iss = subjectIssuer(act['iss'], tokenIssuer, ours);
  const actor: Actor = { sub: act['sub'], ...(iss !== null && { iss }) };
  if (atMost < 1) return TOO_LONG;
  if (act['act'] === undefined) return actor;
  const earlier = readChain(act['act'], tokenIssuer, ours, atMost - 1);
  return earlier instanceof Denial ? earlier : { ...actor, act: earlier };
}
