/** The primary's side of one worker process: calls to it, its output, its exit. */

import cluster, { type Worker } from 'node:cluster';
import { GatewayFault } from '../../errors.ts';
import type { LineStream } from '../../telemetry/log.ts';
import { passLinesOn } from './lines.ts';
import { type Call, type CallAnswer, isReply, readFault, type WorkerAnswer, type WorkerMethods } from './messages.ts';

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (fault: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** One running worker process. */
export class WorkerProcess {
  /** Resolves with how the process exited. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /** Starts the process: this program with the same arguments. */
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
   * @throws the fault that the method threw; GatewayFault `bug` when the worker does not answer in time, or exits
   */
  call<M extends keyof WorkerMethods>(
    method: M,
    timeoutMs: number,
    parameters: Parameters<WorkerMethods[M]>,
  ): Promise<WorkerAnswer<M>> {
    const id = ++this.#lastId;
    const call: Call = { sallyport: 'call', id, method, parameters };
    const answer = new Promise<WorkerAnswer<M>>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new GatewayFault('bug', `a worker did not answer ${method} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
    });
    if (!this.#worker.isConnected()) this.#abandonCalls();
    else this.#worker.send(call, undefined, (error) => error !== null && this.#abandonCalls());
    return answer;
  }

  /** Ends the process at once, without cleaning up. */
  close(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #settle(reply: CallAnswer): void {
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
      reject(new GatewayFault('bug', 'the worker process has exited'));
    }
    this.#pending.clear();
  }
}
