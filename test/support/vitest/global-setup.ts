/** Runs once before all test files. */

import { join } from 'node:path';

export default function setup(): void {
  // Tests talk to loopback only: a proxy in the environment would carry them away.
  for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NODE_USE_ENV_PROXY'])
    delete process.env[name];
  // The threads that hash passwords start by the hundred, each from TypeScript: with what Node has compiled before, in a
  // third of the time. So do the programs that the tests run.
  process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../../../node_modules/.cache/node');
}
