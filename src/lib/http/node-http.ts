/**
 * `node:http` without the WebSocket client in it.
 *
 * An `import` statement of `node:http` reads every export, and one of them loads Node's own copy of undici. `getBuiltinModule`
 * gives the same module and reads nothing.
 *
 * perf: a program of nothing but this has 44 MiB and takes 32 to 40 ms of CPU time; with the import statement, 60 MiB and 79 to 98 ms.
 * test/e2e/loaded-modules.test.ts checks that no undici is loaded.
 */

import type * as http from 'node:http';

/** Of `node:http`. */
export const { Agent, createServer, IncomingMessage, METHODS, request, ServerResponse, STATUS_CODES } =
  process.getBuiltinModule('node:http');

/** Of `node:http`. */
export type Agent = http.Agent;

/** Of `node:http`. */
export type IncomingMessage = http.IncomingMessage;

/** Of `node:http`. */
export type ServerResponse = http.ServerResponse<http.IncomingMessage>;
