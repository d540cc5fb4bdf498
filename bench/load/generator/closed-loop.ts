/**
 * Load without a rate, by autocannon: as many requests as the other side takes. Finds the maximum. Its latencies are
 * those of a saturated server: a pause of the server keeps requests from being sent, so few of them see it
 * (coordinated omission). Latency is measured with a rate.
 */

import autocannon from 'autocannon';
import { ANSWER } from '../answer.ts';
import { type Load, type Outcome, shareOf } from './load.ts';

/** Runs a load as fast as possible. */
export function closedLoop(load: Load): Promise<Outcome> {
  const { port, path, headers, credentials, connections, durationMs, answer = ANSWER } = load;
  const isOnce = credentials.use === 'once';
  let connection = 0;
  const options: autocannon.Options = {
    url: `http://127.0.0.1:${port}${path}`,
    connections,
    ...(isOnce ? { amount: credentials.values.length } : { duration: durationMs / 1_000 }),
    sampleInt: 50,
    // autocannon does not look at bodies where it expects none.
    expectBody: answer,
    setupClient: (client) => {
      const share = shareOf(load, connection++, connections);
      client.setRequests(share.map((value) => ({ headers: { ...headers, [credentials.header]: value } })));
    },
  };
  return new Promise((resolve, reject) => {
    const latenciesUs: number[] = [];
    let lastMs = 0;
    const startedMs = performance.now();
    const instance = autocannon(options, (error, result) => {
      if (error !== null) return reject(error);
      const { errors, timeouts, mismatches, non2xx } = result;
      resolve({
        requests: result['2xx'] - mismatches,
        durationMs: lastMs - startedMs,
        latenciesUs: Float64Array.from(latenciesUs),
        latenessP99Us: null,
        failures: { non2xx, mismatches, connectionErrors: errors - timeouts, timeouts },
      });
    });
    // autocannon's own histogram counts whole milliseconds.
    instance.on('response', (_client, _status, _bytes, responseMs) => {
      latenciesUs.push(responseMs * 1_000);
      lastMs = performance.now();
    });
  });
}
