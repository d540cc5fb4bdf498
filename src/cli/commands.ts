/** Every command, in the order of the help. */

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
