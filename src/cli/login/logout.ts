/** `sallyport logout`: ends the login of a terminal. */

import { ConfigFault } from '../../errors.ts';
import { defineCommand, EXIT } from '../command.ts';
import { ORIGIN_ARGUMENT, readOrigin } from './origin.ts';

/** `sallyport logout`. */
export const logoutCommand = defineCommand({
  name: 'logout',
  summary: 'End the login of this terminal',
  description: [
    'Ends the session at the gateway, which then refuses its tokens, and deletes the login from this computer. If the gateway does not answer, the login stays, so that you can end it later.',
  ],
  args: [ORIGIN_ARGUMENT],
  options: {},
  examples: [['sallyport logout https://shop.example.com', 'Your other sessions stay']],
  exit: { ok: 'logged out', failed: 'there is no login, or the gateway cannot be asked' },
  async run({ args, io }) {
    const origin = readOrigin(args[0] ?? '');
    const { LoginFile } = await import('./store.ts');
    const file = new LoginFile(origin, io);
    const login = await file.read();
    if (login === null) throw new ConfigFault(`not logged in to ${origin}`);
    const { tokenRevocation } = await import('openid-client');
    const { findGateway, inWords } = await import('./gateway.ts');
    try {
      const { config } = await findGateway(origin);
      await tokenRevocation(config, login.refreshToken);
    } catch (thrown) {
      throw inWords(origin, thrown);
    }
    await file.remove();
    io.stdout.write(`logged out of ${origin}\n`);
    return EXIT.ok;
  },
});
