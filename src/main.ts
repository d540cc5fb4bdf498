#!/usr/bin/env node
/**
 * argv and environment in, exit code out.
 *
 * Until it has checked the version of Node, it imports only what every version has.
 */

import type { CliIo } from './cli/command.ts';
import { isAtLeast } from './lib/text/version-order.ts';

/** Earlier versions have a bug in headers that affects proxies. The same as `engines` in package.json. */
const NODE_FLOOR = '24.18.1';

process.exitCode = isAtLeast(process.versions.node, NODE_FLOOR) ? await main() : refuse();

async function main(): Promise<number> {
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  const { runCli } = await import('./cli/run.ts');
  const { systemClocks } = await import('./lib/clock.ts');
  const io: CliIo = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    clocks: systemClocks,
    startedAtMs: 0,
  };
  // The reader of standard output may stop reading (`| head`).
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return await runCli(process.argv.slice(2), io);
}

function refuse(): number {
  process.stderr.write(`sallyport needs Node ${NODE_FLOOR} or later; this is v${process.versions.node}\n`);
  return 1;
}
