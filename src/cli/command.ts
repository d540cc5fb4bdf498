/**
 * What a command is: one description, from which its parsing, its `--help` and its page in `docs/reference/cli.md` are
 * made. A command imports what is heavy only when it runs, so that `--help` and `version` are quick.
 */

import type { Readable } from 'node:stream';
import type { Clocks } from '../lib/clock.ts';

/** Where text goes. */
interface TextOutput {
  /** Whether people read it as it comes. */
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** A terminal, or whatever stands in for one. */
export type CliInput = Readable & { readonly isTTY?: boolean; setRawMode?: (isRaw: boolean) => unknown };

/** Everything that a command may touch outside itself. */
export interface CliIo {
  readonly stdin: CliInput;
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clocks: Clocks;
  /** Monotonic time at which the process began. */
  readonly startedAtMs: number;
}

/** Exit codes of every command: done, could not be done or found something, was asked for in a wrong way. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

interface OptionBase {
  readonly description: string;
  readonly short?: string;
}

/** A switch: there or not. */
interface FlagSpec extends OptionBase {
  readonly type: 'boolean';
}

/** An option with a value. */
interface ValueSpec extends OptionBase {
  readonly type: 'string';
  /** Stands for the value in the help: `FILE`. */
  readonly value: string;
  /** The only values that are accepted. */
  readonly choices?: readonly string[];
  /** In words, for the help; the command applies it. */
  readonly default?: string;
  readonly isRequired?: true;
  /** May be given several times. */
  readonly multiple?: true;
}

export type OptionSpec = FlagSpec | ValueSpec;
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

interface ArgumentSpec {
  readonly name: string;
  readonly description: string;
  readonly isOptional?: true;
}

/** The values of options: what was given, or `undefined`. */
type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]: O[K] extends FlagSpec
    ? boolean
    : O[K] extends { multiple: true }
      ? readonly string[]
      : O[K] extends { isRequired: true }
        ? string
        : string | undefined;
};

/** A command as it was called. */
interface Call<O extends OptionSpecs> {
  readonly options: OptionValues<O>;
  /** Positional arguments: at least the required ones, at most all. */
  readonly args: readonly string[];
  readonly io: CliIo;
}

export interface CommandSpec<O extends OptionSpecs> {
  /** `keys rotate`. */
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Paragraphs. */
  readonly description?: readonly string[];
  readonly args?: readonly ArgumentSpec[];
  readonly options: O;
  /** Command lines with what they do. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** What 0 and 1 mean here. */
  readonly exit: { readonly ok: string; readonly failed: string };
  readonly run: (call: Call<O>) => Promise<ExitCode>;
}

/** A command, whatever its options are. */
export type Command = Omit<CommandSpec<OptionSpecs>, 'run'> & {
  readonly run: (call: Call<never>) => Promise<ExitCode>;
};

/** Describes a command; the types of its options follow from the description. */
export const defineCommand = <const O extends OptionSpecs>(spec: CommandSpec<O>): Command => spec as unknown as Command;

/** The command line is not one that the program has. Printed with a pointer to the help; exit code 2. */
export class UsageFault extends Error {
  override readonly name = 'UsageFault';
  /** The command whose help tells more; `null` for the program's. */
  readonly command: string | null;

  constructor(message: string, command: string | null) {
    super(message);
    this.command = command;
  }
}
