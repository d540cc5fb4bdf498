/** The messages to and from the load generator. */

/** Requests to send: identical except for the credential. */
export interface Load {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: Credentials;
  readonly connections: number;
  /** Requests per second, sent when they are due; `null`: each connection sends when it has its answer. */
  readonly rate: number | null;
  /** How long. With credentials that are used once: as long as there are some. */
  readonly durationMs: number;
  /** What sends them where there is no rate. Default: autocannon. */
  readonly tool?: 'autocannon' | 'wrk';
  /** Body of a right answer. Default: that of the upstream. */
  readonly answer?: string;
}

/** Values of one request header. */
export interface Credentials {
  readonly header: string;
  readonly values: readonly string[];
  /** Each value in one request only, or one value for each connection. */
  readonly use: 'once' | 'per connection';
}

/** The result of a load. */
export interface Outcome {
  /** Complete and correct answers. */
  readonly requests: number;
  /** From the first request to the last answer. */
  readonly durationMs: number;
  /** Of every answer: from the moment that its request was due; microseconds. */
  readonly latenciesUs: Float64Array;
  /** How late the generator itself was with a request, 99th percentile; microseconds. Only with a rate. */
  readonly latenessP99Us: number | null;
  readonly failures: Failures;
}

export interface Failures {
  /** Status other than 2xx. */
  readonly non2xx: number;
  /** Bodies that differ from the upstream's. */
  readonly mismatches: number;
  readonly connectionErrors: number;
  readonly timeouts: number;
}

/** The requests of a load in the form in which they are sent, for one connection. */
export function shareOf({ credentials: { values, use } }: Load, connection: number, connections: number): string[] {
  if (use === 'per connection') return [values[connection % values.length] as string];
  return values.filter((_, index) => index % connections === connection);
}
