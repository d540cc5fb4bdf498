/** Every command, in the order of the help. */

import { checkOidc } from './check-oidc.ts';
import type { Command } from './command.ts';
import { completion } from './completion.ts';
import { dev } from './dev.ts';
import { doctor } from './doctor.ts';
import { explain } from './explain.ts';
import { health } from './health.ts';
import { importOauth2ProxyCommand } from './import-oauth2-proxy.ts';
import { init } from './init.ts';
import { injectCommand } from './inject.ts';
import { keysGenerate, keysList, keysRotate } from './keys.ts';
import { loginCommand } from './login.ts';
import { logoutCommand } from './logout.ts';
import { migrateCommand } from './migrate.ts';
import { routes } from './routes.ts';
import { schema } from './schema.ts';
import { sessionsList, sessionsRevoke } from './sessions.ts';
import { start } from './start.ts';
import { tokenInspect, tokenVerify } from './token.ts';
import { tokenGet } from './token-get.ts';
import { tokenRevoke } from './token-revoke.ts';
import { usersAdd, usersList, usersRemove } from './users.ts';
import { validate } from './validate.ts';
import { version } from './version.ts';
import { why } from './why.ts';

/** Every command, in the order of `--help`. */
export const COMMANDS: readonly Command[] = [
  init,
  dev,
  start,
  validate,
  migrateCommand,
  checkOidc,
  routes,
  explain,
  why,
  doctor,
  health,
  usersAdd,
  usersList,
  usersRemove,
  sessionsList,
  sessionsRevoke,
  keysGenerate,
  keysRotate,
  keysList,
  tokenInspect,
  tokenVerify,
  tokenRevoke,
  loginCommand,
  logoutCommand,
  tokenGet,
  importOauth2ProxyCommand,
  injectCommand,
  schema,
  completion(() => COMMANDS),
  version,
];
