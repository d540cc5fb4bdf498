/**
 * What the primary and its workers say to each other: calls from the primary, each answered once.
 */

import { ConfigFault, DependencyFault, type FaultReason, GatewayFault, REASONS } from '../../errors.ts';
import type { WorkerMethods } from './methods.ts';

/** A call to a worker. */
export interface Call {
  readonly sallyport: 'call';
  readonly id: number;
  readonly method: keyof WorkerMethods;
  readonly parameters: readonly unknown[];
}

/** The answer to a call. */
export type Reply = { readonly sallyport: 'reply'; readonly id: number } & (
  | { readonly value: unknown }
  | { readonly fault: WrittenFault }
);

/** A thrown thing, as it crosses between processes. */
export interface WrittenFault {
  /** `config`, or the reason of a gateway fault. */
  readonly kind: string;
  readonly message: string;
}

const isTagged = (message: unknown, tag: string) =>
  typeof message === 'object' && message !== null && 'sallyport' in message && message.sallyport === tag;

/** Whether a message from the other process asks for something. */
export const isCall = (message: unknown): message is Call => isTagged(message, 'call');
/** Whether a message from the other process answers a call. */
export const isReply = (message: unknown): message is Reply => isTagged(message, 'reply');

/** Writes a fault, so that {@link readFault} makes the same kind of it again. */
export function writeFault(thrown: unknown): WrittenFault {
  const message = thrown instanceof Error ? thrown.message : 'non-error thrown';
  if (thrown instanceof ConfigFault) return { kind: 'config', message };
  return { kind: thrown instanceof GatewayFault ? thrown.reason : 'bug', message };
}

/** Makes the fault again that {@link writeFault} wrote; a reason that is not known is a bug. */
export function readFault({ kind, message }: WrittenFault): ConfigFault | GatewayFault {
  if (kind === 'config') return new ConfigFault(message);
  const reason = Object.hasOwn(REASONS, kind) ? (kind as FaultReason) : 'bug';
  return reason === 'bug' ? new GatewayFault(reason, message) : new DependencyFault(reason, message);
}
