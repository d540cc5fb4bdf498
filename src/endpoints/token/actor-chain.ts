/**
 * Who acts for whom: the `act` claim (RFC 8693 §4.1), and the `may_act` claim that limits it (§4.4).
 */

import { Denial } from '../../errors.ts';
import type { Actor } from '../../principal.ts';

type Claims = Readonly<Record<string, unknown>>;

const refused = (note: string) => new Denial('subject_token_refused', note);
const MALFORMED = refused('subject token: act is not a chain of subjects');
const TOO_LONG = refused('subject token: names as many actors as are accepted already');
const NOT_MEANT = refused('subject token: may_act names another actor');

/**
 * Puts an actor at the head of the chain that a subject token has. Of the actors before it only `sub` is carried on.
 *
 * @param maxDepth  actors that the new chain may have
 * @returns a Denial `subject_token_refused`
 */
export function actingFor(claims: Claims, actor: string, maxDepth: number): Actor | Denial {
  const earlier = claims['act'] === undefined ? null : readChain(claims['act'], maxDepth);
  if (earlier instanceof Denial) return earlier;
  if (depthOf(earlier) >= maxDepth) return TOO_LONG;
  return earlier === null ? { sub: actor } : { sub: actor, act: earlier };
}

/**
 * Whether a subject token says that another may act for its subject.
 *
 * @param issuer  ours, in whose words `actor` is a subject
 * @returns a Denial `subject_token_refused`; `null` when it says nothing or names this one
 */
export function mayActProblem(claims: Claims, actor: string, issuer: string): Denial | null {
  const mayAct = claims['may_act'];
  if (mayAct === undefined) return null;
  if (!isObject(mayAct) || mayAct['sub'] !== actor) return NOT_MEANT;
  return mayAct['iss'] === undefined || mayAct['iss'] === issuer ? null : NOT_MEANT;
}

function readChain(act: unknown, atMost: number): Actor | Denial {
  if (!isObject(act) || typeof act['sub'] !== 'string' || act['sub'] === '') return MALFORMED;
  const { sub } = act as { readonly sub: string };
  if (act['act'] === undefined) return { sub };
  if (atMost <= 1) return TOO_LONG;
  const earlier = readChain(act['act'], atMost - 1);
  return earlier instanceof Denial ? earlier : { sub, act: earlier };
}

function depthOf(actor: Actor | null): number {
  return actor === null ? 0 : 1 + depthOf(actor.act ?? null);
}

const isObject = (value: unknown): value is Claims =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
