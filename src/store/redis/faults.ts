/**
 * What went wrong with Redis, in words that are safe to log. Errors of the client library carry the arguments of the
 * command (sessions, handles), so none of them is ever passed on, not even as a `cause`.
 */

import { ReplyError } from 'ioredis';
import { ConfigFault, DependencyFault } from '../../errors.ts';
import { AnswerTimeout } from '../networked/deadline.ts';
import { type StoreErrorReason, StoreRefusal } from '../networked/events.ts';

/** Our code for a server that is asked as if it were a Cluster, and answers ERR with a text. */
const NO_CLUSTER = 'NOCLUSTER';

/**
 * Redis answered, and as it is configured here it never will do what is asked: wrong password, a user who may not do what
 * the gateway does, or no Cluster.
 */
const REFUSED = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM', NO_CLUSTER]);
/** Redis answered, but it is not (or no longer) the primary, or no longer knows us: another connection is needed. */
const ELSEWHERE = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH']);
/** The primary answered, but does not take writes at the moment. Sessions can be read and, mostly, ended. */
const READS_ONLY = new Set(['OOM', 'MISCONF', 'NOREPLICAS']);

/** The code that an error reply of Redis begins with, such as `READONLY`; `null` when it is no reply. */
export function replyCode(error: unknown): string | null {
  if (!(error instanceof ReplyError)) return null;
  const message = String((error as { message: unknown }).message);
  const code = /^([A-Z][A-Z0-9]*)/.exec(message)?.[1] ?? 'ERR';
  return code === 'ERR' ? codeInText(message) : code;
}

/** Some versions answer ERR for a script, and say in the text what the command inside was refused for. */
function codeInText(message: string): string {
  if (message.includes('cluster support disabled')) return NO_CLUSTER;
  if (message.includes('The user executing the script can')) return 'NOPERM';
  return / -([A-Z][A-Z0-9]+) /.exec(message)?.[1] ?? 'ERR';
}

/** Which of the few reasons of a failed command it was; the label of a metric. */
export function errorReason(error: unknown): StoreErrorReason {
  if (error instanceof AnswerTimeout) return 'timeout';
  return replyCode(error) === null ? 'connection' : 'reply';
}

/** Whether the answer says that the configuration is wrong: no use in trying again as it is. */
export const isRefusal = (error: unknown): boolean => REFUSED.has(replyCode(error) ?? '');

/** Whether the answer says that the primary is to be looked for again. */
export const isElsewhere = (error: unknown): boolean => ELSEWHERE.has(replyCode(error) ?? '');

/** Whether the answer is that of a primary that can still be read. */
export const isReadable = (error: unknown): boolean => READS_ONLY.has(replyCode(error) ?? '');

/** What is wrong, in fixed words and codes. */
export function describe(error: unknown): string {
  if (error instanceof ConfigFault || error instanceof DependencyFault) return error.message;
  if (error instanceof AnswerTimeout) return 'Redis does not answer in time';
  const code = replyCode(error);
  if (code === 'WRONGPASS') return 'Redis refuses the user or password (WRONGPASS)';
  if (code === 'NOAUTH') return 'Redis asks for a password (NOAUTH)';
  if (code === 'NOPERM') return 'Redis does not let its user do what the gateway does (NOPERM)';
  if (code === NO_CLUSTER)
    return 'this Redis is no Cluster (cluster support disabled): use redis://, not redis+cluster://';
  if (code !== null) return `Redis answers ${code}`;
  return `no connection to Redis (${systemCode(error) ?? 'closed'})`;
}

/** What a command that failed with this error is answered with. */
export const commandFault = (error: unknown): DependencyFault =>
  isRefusal(error) ? new StoreRefusal('store_unavailable', describe(error)) : unavailable(describe(error));

/** The answer to a request that needed the store. */
export const unavailable = (detail: string): DependencyFault => new DependencyFault('store_unavailable', detail);

/** `ECONNREFUSED` and the like; also codes of OpenSSL, such as `SELF_SIGNED_CERT_IN_CHAIN`. */
function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  return /^[A-Z0-9_]{1,64}$/.test(error.code) ? error.code : null;
}
