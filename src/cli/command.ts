/**
 * cli: the command line. Each command is one description, from which its parsing, its `--help` and its page in
 * `docs/reference/cli.md` are generated. Commands touch the world through `CliIo` only, return an exit code, and report
 * mistakes as `UsageFault` (2) or `ConfigFault` (1). They import heavy modules only when they run, so that `--help` and
 * `version` are quick.
 */

import type { Readable } from 'node:stream';
import type { Clocks } from '../lib/clock.ts';

/** A destination for text. */
interface TextOutput {
  /** Whether it is a terminal. */
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Standard input, or a substitute. */
export type CliInput = Readable & { readonly isTTY?: boolean; setRawMode?: (isRaw: boolean) => unknown };

/** Everything that a command may touch outside itself. */
export interface CliIo {
  readonly stdin: CliInput;
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clocks: Clocks;
  /** Monotonic time at which the process started. */
  readonly startedAtMs: number;
}

/** Exit codes of every command: success, failure or findings, wrong command line. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

interface OptionBase {
  readonly description: string;
  readonly short?: string;
}

/** An option without a value. */
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
  /** Described for the help; the command applies it. */
  readonly default?: string;
  readonly isRequired?: true;
  /** Can be given several times. */
  readonly multiple?: true;
}

/** The description of an option. */
export type OptionSpec = FlagSpec | ValueSpec;
type OptionSpecs = Readonly<Record<string, OptionSpec>>;

interface ArgumentSpec {
  readonly name: string;
  readonly description: string;
  readonly isOptional?: true;
  /** Can be given several times; the last argument only. */
  readonly isRepeatable?: true;
}

/** The given values of options; `undefined` for those left out. */
export type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]: O[K] extends FlagSpec
    ? boolean
    : O[K] extends { multiple: true }
      ? readonly string[]
      : O[K] extends { isRequired: true }
        ? string
        : string | undefined;
};

/** A command as it was called. */
interface Invocation<O extends OptionSpecs> {
  readonly options: OptionValues<O>;
  /** Positional arguments: at least the required ones, at most all, and the last several times if it is repeatable. */
  readonly args: readonly string[];
  readonly io: CliIo;
}

interface CommandSpec<O extends OptionSpecs> {
  /** `keys rotate`. */
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Paragraphs. */
  readonly description?: readonly string[];
  readonly args?: readonly ArgumentSpec[];
  readonly options: O;
  /** Command lines, each with its effect. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** The meanings of 0 and 1 for this command; `null` if it cannot fail. */
  readonly exit: { readonly ok: string; readonly failed: string | null };
  readonly run: (call: Invocation<O>) => Promise<ExitCode>;
}

/** A command with any options. */
export type Command = Omit<CommandSpec<OptionSpecs>, 'run'> & {
  readonly run: (call: Invocation<never>) => Promise<ExitCode>;
};

/** Defines a command; the types of its options follow from the description. */
export const defineCommand = <const O extends OptionSpecs>(spec: CommandSpec<O>): Command => spec as unknown as Command;

/** The command line is wrong. Printed with a pointer to the help of the command that was called; exit code 2. */
export class UsageFault extends Error {
  override readonly name = 'UsageFault';
}
