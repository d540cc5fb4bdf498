/** Runs once before all test files. */

import { join } from 'node:path';

export default function setup(): void {
  // Tests talk to loopback only: a proxy in the environment would redirect them.
  for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NODE_USE_ENV_PROXY'])
    delete process.env[name];
  // Hundreds of password-hashing threads start from TypeScript: with Node's compile cache, in a third of the time. The
  // same goes for the programs that the tests run.
  process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../../../node_modules/.cache/node');
}
