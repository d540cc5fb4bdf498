/**
 * Lets the garbage collector take the library's commands soon after they are answered.
 *
 * V8 allocates a function in the old generation if it is written where it is assigned to a property, as the library does for each
 * command: `this.reject = (error) => …`. All that such a function reaches, the command with its words, its answer and who waits for
 * it, survives every collection of the young generation, until one of the whole heap. A function that another one returns is
 * allocated like everything else.
 *
 * perf: docs/adr/0029-logins-go-on-in-turns.md has the figures.
 */

import { Command } from 'ioredis';

/** What the library's commands have beyond their types. */
interface Internals {
  readonly name: string;
  readonly callback?: unknown;
  readonly errorStack?: unknown;
  args: unknown[];
  promise: Promise<unknown>;
  resolve: (reply: unknown) => unknown;
  reject: Reject;
  transformed: boolean;
  isResolved: boolean;
  isSettled: boolean;
  initPromise(): void;
  stringifyArguments(): void;
  _convertValue(resolve: (value: unknown) => void): (reply: unknown) => unknown;
  _clearTimers(): void;
}

type Reject = (error: Error) => void;

interface Transformers {
  readonly _transformer: { readonly argument: Readonly<Record<string, ((args: unknown[]) => unknown[]) | undefined>> };
}

const prototype = Command.prototype as unknown as Internals;
const { _transformer: transformers } = Command as unknown as Transformers;
const { initPromise: original } = prototype;

/** Changes the library's commands, for all of its clients. */
export function makeCommandsShortLived(): void {
  prototype.initPromise = initPromise;
}

/** Does what the library's method does. */
function initPromise(this: Internals): void {
  // Commands that the library sends for itself.
  if (this.callback !== undefined || this.errorStack !== undefined) {
    original.call(this);
    return;
  }
  this.isResolved = false;
  this.isSettled = false;
  this.promise = new Promise((resolve, reject) => {
    if (!this.transformed) {
      this.transformed = true;
      this.args = transformers.argument[this.name]?.(this.args) ?? this.args;
      this.stringifyArguments();
    }
    this.resolve = this._convertValue(resolve);
    this.reject = rejecting(this, reject);
  });
}

const rejecting =
  (command: Internals, reject: Reject): Reject =>
  (error) => {
    command._clearTimers();
    command.isSettled = true;
    reject(error);
  };
