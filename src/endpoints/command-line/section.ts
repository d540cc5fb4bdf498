/** `refresh.commandLine`: logins of the program `sallyport` at a terminal (docs/how-to/log-in-from-a-terminal.md). */

import { z } from 'zod';

/** The section. */
export const commandLine = () =>
  z.strictObject({
    deviceGrant: z.boolean().prefault(false).meta({
      description:
        'Whether a terminal without a browser can log in by a code that its user types on another device (RFC 8628): `sallyport login --device`. Off by default, because an attacker can talk a user into typing a code that the attacker requested.',
    }),
  });
