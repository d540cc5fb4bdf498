/**
 * The primary's end of one worker process: calls to it, its output, its end.
 */

import cluster, { type Worker } from 'node:cluster';
import { GatewayFault } from '../../errors.ts';
import type { LineStream } from '../../telemetry/log.ts';
import { passLinesOn } from './lines.ts';
import { type Call, isReply, type Reply, readFault } from './messages.ts';
import type { WorkerMethods } from './methods.ts';

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (fault: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class WorkerProcess {
  /** How it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /** Starts the process: the same program with the same arguments. */
  constructor(lines: LineStream) {
    this.#worker = cluster.fork();
    this.#worker.on('message', (message) => {
      if (isReply(message)) this.#settle(message);
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', (code, signal) => {
        this.#abandonCalls();
        resolve({ code, signal });
      });
    });
    const output = this.#worker.process.stdout;
    if (output !== null) passLinesOn(output, lines);
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /**
   * Calls a method of the worker.
   *
   * @throws what the method threw; a GatewayFault `bug` when the worker does not answer in time, or ends
   */
  call<M extends keyof WorkerMethods>(
    method: M,
    timeoutMs: number,
    ...parameters: Parameters<WorkerMethods[M]>
  ): ReturnType<WorkerMethods[M]> {
    const id = ++this.#lastId;
    const call: Call = { sallyport: 'call', id, method, parameters };
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new GatewayFault('bug', `a worker did not answer ${method} in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
    });
    if (!this.#worker.isConnected()) this.#abandonCalls();
    else this.#worker.send(call, undefined, (error) => error !== null && this.#abandonCalls());
    return answer as ReturnType<WorkerMethods[M]>;
  }

  /** Ends the process at once. */
  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    clearTimeout(pending.timer);
    if ('fault' in reply) pending.reject(readFault(reply.fault));
    else pending.resolve(reply.value as never);
  }

  #abandonCalls(): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new GatewayFault('bug', 'the worker process has ended'));
    }
    this.#pending.clear();
  }
}
