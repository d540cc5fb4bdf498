/**
 * The protocol between the primary and its workers: calls from the primary, each answered once. Both are always the same
 * version of the program.
 */

import type { GatewayControl } from '../../admin/control.ts';
import type { FileContents } from '../../config/files/remembered-files.ts';
import { ConfigFault, DependencyFault, type FaultReason, GatewayFault, REASONS } from '../../errors.ts';
import type { Config } from '../../gateway/configuration/schema.ts';
import type { Started } from '../../gateway/gateway.ts';
import type { MetricPart } from '../../telemetry/metric-parts.ts';

/** Some of the metrics of a worker. */
export interface SomeMetrics {
  readonly parts: readonly MetricPart[];
  /** Whether there are no more. */
  readonly areLast: boolean;
}

/** What a starting worker gets from the primary, because it may no longer be able to read it itself. */
export interface KnownToOthers {
  /** Contents of the files of the configuration, where they were last usable. */
  readonly files: FileContents;
  /** The workers were ready once: what all replicas share counts for readiness only where the configuration says so. */
  readonly wasReady: boolean;
}

/** The life of a worker, directed by the primary. Parameters and results are structured-cloneable data. */
export interface WorkerLife {
  /**
   * Opens the gateway and listens. Comes first: every other call needs it to have succeeded.
   *
   * @param ticketKeys  shared by all workers, so that one can resume a TLS session that another started
   * @param sharing     how it listens: on the addresses together with other workers, or by way of the primary
   * @param known       what the others know
   */
  start(config: Config, ticketKeys: Buffer, sharing: 'alone' | 'shared', known: KnownToOthers): Promise<Started>;
  /** @returns unusable files whose previous contents stay in use, one line each */
  apply(config: Config): Promise<readonly string[]>;
  /**
   * The next metrics of a scrape, which are a few milliseconds of work for both processes.
   *
   * @param isFirst  begins a scrape; one that was begun before is forgotten
   */
  nextMetrics(isFirst: boolean): Promise<SomeMetrics>;
  /** Contents of the files that it has read and could use. */
  files(): Promise<FileContents>;
  /** Ends gracefully. The process exits once the call is answered. */
  drain(): Promise<void>;
}

/** Everything that the primary can call in a worker: its life and the admin operations. */
export type WorkerMethods = WorkerLife & GatewayControl;

/** What a method of a worker returns, without the promise. */
export type WorkerAnswer<Method extends keyof WorkerMethods> = Awaited<ReturnType<WorkerMethods[Method]>>;

/** A call to a worker. */
export interface Call {
  readonly sallyport: 'call';
  readonly id: number;
  readonly method: keyof WorkerMethods;
  readonly parameters: readonly unknown[];
}

/** The answer to a call. */
export type CallAnswer = { readonly sallyport: 'reply'; readonly id: number } & (
  | { readonly value: unknown }
  | { readonly fault: WrittenFault }
);

/** A fault, serialized. */
interface WrittenFault {
  /** `config`, or the reason of a gateway fault. */
  readonly kind: string;
  readonly message: string;
}

const isTagged = (message: unknown, tag: string) =>
  typeof message === 'object' && message !== null && 'sallyport' in message && message.sallyport === tag;

/** Whether a message from the other process is a call. Libraries may send messages of their own on the same channel. */
export const isCall = (message: unknown): message is Call => isTagged(message, 'call');
/** Whether a message from the other process answers a call. */
export const isReply = (message: unknown): message is CallAnswer => isTagged(message, 'reply');

/** Serializes a fault for {@link readFault}. Keeps its kind and message; drops its cause and stack. */
export function writeFault(thrown: unknown): WrittenFault {
  const message = thrown instanceof Error ? thrown.message : 'non-error thrown';
  if (thrown instanceof ConfigFault) return { kind: 'config', message };
  return { kind: thrown instanceof GatewayFault ? thrown.reason : 'bug', message };
}

/** Restores a fault that {@link writeFault} serialized; an unknown reason becomes `bug`. */
export function readFault({ kind, message }: WrittenFault): ConfigFault | GatewayFault {
  if (kind === 'config') return new ConfigFault(message);
  const reason = Object.hasOwn(REASONS, kind) ? (kind as FaultReason) : 'bug';
  return reason === 'bug' ? new GatewayFault(reason, message) : new DependencyFault(reason, message);
}
