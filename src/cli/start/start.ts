/** start: `sallyport start` runs a gateway until a signal ends it. */

import cluster from 'node:cluster';
import { setFlagsFromString } from 'node:v8';
import { ConfigFault } from '../../errors.ts';
import type { ReadInstance } from '../../process/read.ts';
import { type CliIo, defineCommand, EXIT, type ExitCode } from '../command.ts';
import { CONFIG_OPTION, checkWithContents, configPath, JSON_OPTION, loadToRun } from '../io/configuration.ts';
import { endSoon, openDependencies, runGateway } from './run-gateway.ts';

/** `sallyport start`. */
export const start = defineCommand({
  name: 'start',
  summary: 'Run the gateway',
  description: [
    'Prints one line when the gateway is ready; logs are JSON lines on standard output. The gateway reloads its configuration when the file changes, on SIGHUP, and on POST /-/reload of the admin listener. An invalid configuration changes nothing.',
    'SIGTERM or SIGINT shuts the gateway down gracefully, within shutdown.delay and shutdown.timeout; a second signal ends it at once.',
  ],
  options: {
    config: CONFIG_OPTION,
    json: { ...JSON_OPTION, description: 'Report readiness as a JSON log line, even on a terminal.' },
  },
  examples: [
    ['sallyport start', 'With sallyport.yaml'],
    ['sallyport start --config /etc/sallyport/sallyport.yaml', 'With another file'],
  ],
  exit: {
    ok: 'shut down gracefully',
    failed: 'the configuration is not valid, something cannot be opened, or the gateway can no longer serve requests',
  },
  async run({ options, io }) {
    // Otherwise Node would open a debugger, to which anyone on this machine could connect. `--inspect` still does.
    process.on('SIGUSR1', () => {});
    stayReadyWhenIdle();
    // A worker is this program with these arguments; its configuration comes from the primary.
    if (cluster.isWorker) return runAsWorker(io);
    const path = configPath(options.config, io);
    const isForPeople = !options.json && io.stdout.isTTY === true;
    try {
      const loaded = isForPeople ? await loadToRun(path, io) : await loadInLines(path, io);
      return await runGateway(path, loaded, io, isForPeople ? { onReady: (text) => io.stdout.write(`${text}\n`) } : {});
    } catch (thrown) {
      if (!isForPeople) await logFailedStart(thrown);
      // Standard output may be a file while standard error is a terminal.
      if (isForPeople || io.stderr.isTTY === true) throw thrown;
      return EXIT.failed;
    }
  },
});

/**
 * Keeps V8 from shrinking its heap after some idle seconds. It would drop code compiled for kinds of objects that do not
 * exist just then, and slow the first requests of the next burst (docs/adr/0012-compiled-code-outlives-idleness.md).
 */
function stayReadyWhenIdle(): void {
  setFlagsFromString('--memory-reducer-gc-count=0');
  setFlagsFromString('--lazy-new-space-shrinking');
}

/** Writes why the gateway cannot start as a line of its log, with one text for each mistake. */
async function logFailedStart(thrown: unknown): Promise<void> {
  const { createLog, errorFields, flushLogs, standardOutput } = await import('../../telemetry/log.ts');
  const log = createLog('info', standardOutput());
  if (thrown instanceof ConfigFault) log.fatal({ problems: thrown.message.split('\n') }, 'cannot start');
  else log.fatal({ fault: errorFields(thrown) }, 'cannot start');
  await flushLogs();
}

/** Runs as one of several workers. */
async function runAsWorker(io: CliIo): Promise<ExitCode> {
  const { flushLogs } = await import('../../telemetry/log.ts');
  const { runWorker } = await import('../../process/workers/worker.ts');
  await runWorker((config) => openDependencies(config, io));
  await flushLogs();
  endSoon();
  process.disconnect?.();
  return EXIT.ok;
}

/** @throws ConfigFault with one line for each mistake, without the lines of the file */
async function loadInLines(path: string, io: CliIo): Promise<ReadInstance> {
  const { errorLines } = await import('../../config/render.ts');
  const result = await checkWithContents(path, io);
  if (result.loaded === null) throw new ConfigFault(errorLines(result).join('\n'));
  return result.loaded;
}
