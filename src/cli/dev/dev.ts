/** `sallyport dev`: a gateway on a developer's machine, without a configuration. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigFault } from '../../errors.ts';
import { errorCode } from '../../lib/error-code.ts';
import { defineCommand, UsageFault } from '../command.ts';
import { loadToRun } from '../io/configuration.ts';
import { originOf } from '../io/origin-input.ts';

const DEFAULTS = { upstream: 'http://127.0.0.1:3000', port: '8080', user: 'demo' } as const;
const PORT = /^(?:0|[1-9]\d{0,4})$/;

/** `sallyport dev`. */
export const dev = defineCommand({
  name: 'dev',
  summary: 'Run a gateway without a configuration in front of an application under development',
  description: [
    'Every path requires a login; the one user has the password demo-password. Listens only on this machine, and keeps nothing: sessions and keys are lost when it ends.',
    'Prints each request, with the claims of the token that the application gets instead of the cookie. Reports when a browser rejected the session cookie.',
  ],
  options: {
    upstream: {
      type: 'string',
      value: 'ORIGIN',
      description: 'Where the application listens; a port alone means this machine.',
      default: DEFAULTS.upstream,
    },
    port: { type: 'string', value: 'PORT', description: 'Where the gateway listens.', default: DEFAULTS.port },
    public: {
      type: 'string',
      value: 'PATH',
      multiple: true,
      description: 'A path that needs no login, with every path below it.',
    },
    user: { type: 'string', value: 'NAME', description: 'The user.', default: DEFAULTS.user },
    role: { type: 'string', value: 'ROLE', multiple: true, description: 'A role of the user.' },
    email: { type: 'string', value: 'ADDRESS', description: 'The email address of the user.' },
  },
  examples: [
    ['sallyport dev --upstream http://localhost:3000', 'An application on port 3000'],
    ['sallyport dev --role admin --public /assets', 'Log in as an admin; assets need no login'],
  ],
  exit: { ok: 'ended by a signal', failed: 'the port is in use, or an option is not valid' },
  async run({ options, io }) {
    const { port = DEFAULTS.port, user = DEFAULTS.user, email, role: roles, public: publicPaths } = options;
    if (!PORT.test(port) || Number(port) > 65_535) throw new UsageFault('--port must be a number from 0 to 65535');
    const { DEV_PASSWORD, writeDevFiles } = await import('./files.ts');
    const { Narrator } = await import('./narrator.ts');
    const { runGateway } = await import('../start/run-gateway.ts');
    const upstream = originOf(options.upstream ?? DEFAULTS.upstream, 'the application', '127.0.0.1');
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-dev-'));
    try {
      const path = await writeDevFiles(directory, { upstream, port, publicPaths, user, roles, email });
      const narrator = new Narrator();
      return await runGateway(path, await loadToRun(path, io), io, {
        watching: narrator,
        onReady: (text) => {
          const [origin = ''] = /http:\/\/localhost(?::\d+)?/.exec(text) ?? [];
          io.stdout.write(
            `${text}\n\nOpen ${origin}/ and log in as ${user} with the password ${DEV_PASSWORD}. Requests go to ${upstream}.\nVerify tokens with ${origin}/.well-known/jwks.json. Ctrl-C stops it; nothing is kept.\n\n`,
          );
        },
      });
    } catch (fault) {
      // The message names a key in a file that the user never sees.
      if (!(fault instanceof ConfigFault) || errorCode(fault.cause) !== 'EADDRINUSE') throw fault;
      throw new ConfigFault(`port ${port} is in use: choose another one with --port`, { cause: fault });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
});
