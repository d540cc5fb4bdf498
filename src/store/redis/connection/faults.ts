/**
 * Failures of Redis, described in words that are safe to log. Errors of the client library carry the arguments of the
 * command (sessions, handles), so none of them is ever passed on, not even as a `cause`.
 */

import { ReplyError } from 'ioredis';
import { ConfigFault, DependencyFault } from '../../../errors.ts';
import { errorCode } from '../../../lib/error-code.ts';
import { AnswerTimeout } from '../../networked/deadline.ts';
import { type StoreErrorReason, StoreRefusal } from '../../networked/events.ts';

/** The gateway's own code for a command, or a form of it, that the server does not know. */
const UNKNOWN_COMMAND = 'UNKNOWNCOMMAND';

/** The gateway's own code for a single server that is addressed as a Cluster; Redis answers ERR with a text. */
const NO_CLUSTER = 'NOCLUSTER';

/**
 * Redis answered, and with this configuration it will never do what is asked: the password is wrong, the user lacks a
 * right, it is not a Cluster, or it lacks a command.
 */
const REFUSED = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM', NO_CLUSTER, UNKNOWN_COMMAND]);
/**
 * Redis answered, but it is not (or no longer) the primary, or has logged the gateway out: a new connection is needed.
 */
const ELSEWHERE = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH']);
/** The primary answered, but accepts no writes at the moment. Sessions can be read and, mostly, ended. */
const READS_ONLY = new Set(['OOM', 'MISCONF', 'NOREPLICAS']);

/** The code at the beginning of an error reply, such as `READONLY`; `null` for an error that is not a reply. */
export function replyCode(error: unknown): string | null {
  if (!(error instanceof ReplyError)) return null;
  const message = String((error as { message: unknown }).message);
  const code = /^([A-Z][A-Z0-9]*)/.exec(message)?.[1] ?? 'ERR';
  return code === 'ERR' ? codeInText(message) : code;
}

/** Some versions answer ERR for a script and name the refusal of the inner command in the text. */
function codeInText(message: string): string {
  if (message.includes('cluster support disabled')) return NO_CLUSTER;
  if (/unknown (?:redis )?command|syntax error/i.test(message)) return UNKNOWN_COMMAND;
  if (message.includes('The user executing the script can')) return 'NOPERM';
  return / -([A-Z][A-Z0-9]+) /.exec(message)?.[1] ?? 'ERR';
}

/** The server did not complete a TLS handshake in time. */
export class HandshakeTimeout extends AnswerTimeout {}

/** Why a command failed, as a metric label. */
export function errorReason(error: unknown): StoreErrorReason {
  if (error instanceof AnswerTimeout) return 'timeout';
  return replyCode(error) === null ? 'connection' : 'reply';
}

/** Whether the answer says that the configuration is wrong, so that trying again is useless. */
export const isRefusal = (error: unknown): boolean => REFUSED.has(replyCode(error) ?? '');

/** Whether the answer says that the gateway has to look for the primary again. */
export const isElsewhere = (error: unknown): boolean => ELSEWHERE.has(replyCode(error) ?? '');

/** Whether the answer comes from a primary that can still be read. */
export const isReadable = (error: unknown): boolean => READS_ONLY.has(replyCode(error) ?? '');

/** The failure in fixed words and codes. */
export function describe(error: unknown): string {
  if (error instanceof ConfigFault || error instanceof DependencyFault) return error.message;
  if (error instanceof HandshakeTimeout)
    return 'Redis does not complete the TLS handshake in time: if it has no TLS, use redis://, not rediss://';
  if (error instanceof AnswerTimeout) return 'Redis does not answer in time';
  const code = replyCode(error);
  if (code === 'WRONGPASS')
    return 'Redis refuses the user or password (WRONGPASS): compare url, username and passwordFile with the users of Redis';
  if (code === 'NOAUTH') return 'Redis asks for a password (NOAUTH): set passwordFile';
  if (code === 'NOPERM') return 'the Redis user lacks a right that the gateway needs (NOPERM)';
  if (code === NO_CLUSTER)
    return 'this Redis is not a Cluster (cluster support disabled): use redis://, not redis+cluster://';
  if (code === UNKNOWN_COMMAND)
    return `Redis does not know a command that the gateway needs${commandIn(error)}: use Redis 6.2 or later, or Valkey, without renamed commands`;
  if (code !== null) return `Redis answers ${code}`;
  return `no connection to Redis (${systemCode(error) ?? 'closed'})`;
}

/** The name of the unknown command, where the reply has it. The reply continues with the arguments. */
function commandIn(error: unknown): string {
  const name = /unknown command ['`]([A-Za-z]{1,32})['`]/.exec(error instanceof Error ? error.message : '')?.[1];
  return name === undefined ? '' : ` (${name.toUpperCase()})`;
}

/** The fault for a command that failed with this error. */
export const commandFault = (error: unknown): DependencyFault =>
  isRefusal(error) ? new StoreRefusal('store_unavailable', describe(error)) : unavailable(describe(error));

/** The fault for a request that needed the store. */
export const unavailable = (detail: string): DependencyFault => new DependencyFault('store_unavailable', detail);

/** `ECONNREFUSED` and the like; also codes of OpenSSL, such as `SELF_SIGNED_CERT_IN_CHAIN`. */
function systemCode(error: unknown): string | null {
  const code = errorCode(error);
  return code !== null && /^[A-Z0-9_]{1,64}$/.test(code) ? code : null;
}
