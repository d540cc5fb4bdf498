/** Opens an address in the browser of the person at the terminal. */

import { spawn } from 'node:child_process';
import type { CliIo } from '../command.ts';

const OPENERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** Whether there is probably a browser: on Linux, if there is a display. */
export const hasBrowser = ({ env }: Pick<CliIo, 'env'>): boolean =>
  process.platform in OPENERS || Boolean(env['DISPLAY'] || env['WAYLAND_DISPLAY']);

/** Tries to open an address; nothing says whether it worked. No shell reads the address. */
export function openInBrowser(address: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const opener = spawn(command, [...args, address], { stdio: 'ignore', detached: true });
  opener.on('error', () => {});
  opener.unref();
}
