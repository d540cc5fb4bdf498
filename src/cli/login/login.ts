/** `sallyport login`: a person at a terminal logs in to a gateway, by way of a browser. */

import { defineCommand, EXIT } from '../command.ts';
import { ORIGIN_ARGUMENT, readOrigin } from './origin.ts';

/** `sallyport login`. */
export const loginCommand = defineCommand({
  name: 'login',
  summary: 'Log in to a gateway from a terminal',
  description: [
    'Opens a browser, in which you log in as usual and approve the terminal. Keeps the login in $XDG_CONFIG_HOME/sallyport/logins (default: ~/.config), readable by you alone; "token get" prints its access token. The terminal gets its own session, which you see under "Your sessions".',
    'The gateway needs refresh.commandLine in its configuration, and refresh.commandLine.deviceGrant for --device.',
  ],
  args: [ORIGIN_ARGUMENT],
  options: {
    device: {
      type: 'boolean',
      description: 'Show a code to type in a browser on any device, for a terminal on a computer without one.',
    },
    'no-browser': { type: 'boolean', description: 'Show the address instead of opening a browser.' },
    print: { type: 'boolean', description: 'Write the tokens to standard output as JSON instead of keeping them.' },
  },
  examples: [
    ['sallyport login https://shop.example.com', 'By the browser on this computer'],
    ['sallyport login https://shop.example.com --device', 'On a server without a browser'],
  ],
  exit: { ok: 'logged in', failed: 'refused, not confirmed in time, or the gateway cannot be asked' },
  async run({ options, args, io }) {
    const origin = readOrigin(args[0] ?? '');
    const { findGateway, inWords, loginOf } = await import('./gateway.ts');
    const { loginByBrowser, loginByDevice } = await import('./flows.ts');
    const { LoginFile } = await import('./store.ts');
    const file = new LoginFile(origin, io);
    // Before any request: a login that cannot be stored would be lost.
    const earlier = options.print ? null : await prepare(file);
    try {
      const server = await findGateway(origin);
      const tokens = options.device
        ? await loginByDevice(origin, server, io)
        : await loginByBrowser(server, !options['no-browser'], io);
      if (options.print) {
        io.stdout.write(`${JSON.stringify(tokens, null, 2)}\n`);
        return EXIT.ok;
      }
      await file.write(loginOf(origin, tokens, io.clocks.wallMs()));
      if (earlier !== null) await endQuietly(server.config, earlier.refreshToken);
    } catch (thrown) {
      throw inWords(origin, thrown);
    }
    io.stdout.write(`logged in to ${origin}\n`);
    return EXIT.ok;
  },
});

type File = InstanceType<typeof import('./store.ts')['LoginFile']>;

/** @returns the login that the new one replaces; `null` when there is none that can be used */
async function prepare(file: File) {
  await file.prepare();
  return file.read().catch(() => null);
}

/** Ends the login that was replaced, which would otherwise stay in the user's list of sessions. */
async function endQuietly(config: import('openid-client').Configuration, refreshToken: string): Promise<void> {
  const { tokenRevocation } = await import('openid-client');
  await tokenRevocation(config, refreshToken).catch(() => {});
}
