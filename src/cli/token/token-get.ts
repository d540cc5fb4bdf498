/** `sallyport token get`: the access token of a login from a terminal. */

import { defineCommand, EXIT } from '../command.ts';
import { ORIGIN_ARGUMENT, readOrigin } from '../login/origin.ts';

/** `sallyport token get`. */
export const tokenGet = defineCommand({
  name: 'token get',
  summary: 'Write the access token of your login to a gateway',
  description: [
    'Renews it when it has less than 30 seconds left; if several processes ask at once, one renews it for all. If the gateway does not answer, you get the current token until it expires.',
  ],
  args: [ORIGIN_ARGUMENT],
  options: {},
  examples: [
    [
      'curl -H "Authorization: Bearer $(sallyport token get https://shop.example.com)" https://shop.example.com/api/orders',
      'Call an API as yourself',
    ],
  ],
  exit: { ok: 'written', failed: 'there is no login, it has ended, or the gateway cannot be asked' },
  async run({ args, io }) {
    const origin = readOrigin(args[0] ?? '');
    const { accessTokenFor } = await import('../login/tokens.ts');
    io.stdout.write(`${await accessTokenFor(origin, io)}\n`);
    return EXIT.ok;
  },
});
