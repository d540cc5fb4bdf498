/**
 * Load without a rate, by wrk where it is installed: it costs a fifth of what autocannon does, so that proxies in C are busy and not
 * the load. It compares no bodies: those who use it check answers before and after, and every status is checked here.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Load, Outcome } from './load.ts';

const run = promisify(execFile);

/** The requests are formatted once, and take turns over all connections. */
const SCRIPT = `
local requests, at = {}, 0
function init(arguments)
  for value in io.lines(arguments[2]) do
    local headers = {}
    for line in io.lines(arguments[1]) do
      local name, text = line:match("^([^:]+): (.*)$")
      headers[name] = text
    end
    headers[arguments[3]] = value
    requests[#requests + 1] = wrk.format("GET", nil, headers)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e, marks = summary.errors, {}
  for percent = 1, 100 do marks[percent] = latency:percentile(percent == 100 and 99.9 or percent) end
  io.write(string.format('{"requests":%d,"durationUs":%d,"failed":%d,"wrong":%d,"late":%d,"latenciesUs":[%s]}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write, e.status, e.timeout, table.concat(marks, ",")))
end
`;

interface Summary {
  readonly requests: number;
  readonly durationUs: number;
  readonly failed: number;
  readonly wrong: number;
  readonly late: number;
  readonly latenciesUs: readonly number[];
}

/**
 * Runs a load as fast as possible, for whole seconds.
 *
 * @returns with a hundred percentiles for the latencies, because wrk does not report each of them
 */
export async function wrk(load: Load): Promise<Outcome> {
  const { port, path, headers, credentials, connections, durationMs } = load;
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-wrk-'));
  try {
    const [script, headersFile, valuesFile] = ['wrk.lua', 'headers', 'values'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(script, SCRIPT);
    await writeFile(
      headersFile,
      Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\n`)
        .join(''),
    );
    await writeFile(valuesFile, credentials.values.map((value) => `${value}\n`).join(''));
    const amount = ['-t1', `-c${connections}`, `-d${Math.max(1, Math.round(durationMs / 1_000))}s`, '--timeout', '30s'];
    const url = `http://127.0.0.1:${port}${path}`;
    const { stdout } = await run('wrk', [
      ...amount,
      ...['-s', script, url, '--', headersFile, valuesFile, credentials.header],
    ]);
    const last = stdout.trim().split('\n').at(-1) ?? '';
    const { requests, durationUs, failed, wrong, late, latenciesUs } = JSON.parse(last) as Summary;
    return {
      requests: requests - wrong,
      durationMs: durationUs / 1_000,
      latenciesUs: Float64Array.from(latenciesUs),
      latenessP99Us: null,
      failures: { non2xx: wrong, mismatches: 0, connectionErrors: failed, timeouts: late },
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
