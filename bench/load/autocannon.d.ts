/** Types of the parts of autocannon 9 that the benchmark uses; it has none of its own. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  namespace autocannon {
    interface Request {
      readonly method?: string;
      readonly path?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }

    /** One connection. */
    interface Client extends EventEmitter {
      /** What it sends, in turn; built once. */
      setRequests(requests: readonly Request[]): void;
    }

    interface Options {
      readonly url: string;
      readonly connections: number;
      /** Seconds. */
      readonly duration?: number;
      /** Number of requests, instead of a duration. */
      readonly amount?: number;
      /** Milliseconds between two looks whether the time is up. */
      readonly sampleInt?: number;
      readonly setupClient?: (client: Client) => void;
      /** The body of every answer; another one is a mismatch. */
      readonly expectBody?: string;
    }

    interface Result {
      readonly errors: number;
      readonly timeouts: number;
      readonly mismatches: number;
      readonly non2xx: number;
      readonly '2xx': number;
    }

    interface Instance extends EventEmitter {
      /** Every answer; the duration is in milliseconds, with fractions. */
      on(
        event: 'response',
        listener: (client: Client, status: number, bytes: number, durationMs: number) => void,
      ): this;
    }
  }

  function autocannon(
    options: autocannon.Options,
    callback: (error: Error | null, result: autocannon.Result) => void,
  ): autocannon.Instance;

  export default autocannon;
}
