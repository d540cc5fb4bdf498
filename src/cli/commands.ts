/** Every command. */

import { checkOidc } from './check/check-oidc.ts';
import type { Command } from './command.ts';
import { completion } from './completion.ts';
import { dev } from './dev/dev.ts';
import { doctor } from './doctor/doctor.ts';
import { explain } from './explain/explain.ts';
import { health } from './health.ts';
import { importOauth2ProxyCommand } from './import/import-oauth2-proxy.ts';
import { init } from './init/init.ts';
import { injectCommand } from './inject/inject.ts';
import { keysGenerate, keysList, keysRotate } from './keys.ts';
import { loginCommand } from './login/login.ts';
import { logoutCommand } from './login/logout.ts';
import { migrateCommand } from './migrate.ts';
import { routes } from './routes.ts';
import { schema } from './schema.ts';
import { sessionsList, sessionsRevoke } from './sessions.ts';
import { start } from './start/start.ts';
import { tokenInspect, tokenVerify } from './token/token.ts';
import { tokenGet } from './token/token-get.ts';
import { tokenRevoke } from './token/token-revoke.ts';
import { usersAdd, usersList, usersRemove } from './users/users.ts';
import { validate } from './validate.ts';
import { version } from './version.ts';
import { why } from './why/why.ts';

/** Every command by what it is for, in the order of `--help`. */
export const COMMAND_GROUPS: Readonly<Record<string, readonly Command[]>> = {
  'Begin and run': [init, dev, start],
  'Check a configuration': [validate, routes, explain, checkOidc, migrateCommand, schema],
  'Look into a running gateway': [health, doctor, why],
  'Users and sessions': [usersAdd, usersList, usersRemove, sessionsList, sessionsRevoke],
  'Keys and tokens': [keysGenerate, keysRotate, keysList, tokenInspect, tokenVerify, tokenRevoke],
  'Log in from a terminal': [loginCommand, logoutCommand, tokenGet],
  'Move and deploy': [importOauth2ProxyCommand, injectCommand],
  'This program': [completion(() => COMMANDS), version],
};

/** Every command, in the order of `--help`. */
export const COMMANDS: readonly Command[] = Object.values(COMMAND_GROUPS).flat();
