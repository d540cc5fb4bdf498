/** Runs commands in the test's own process. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { runCli } from '../../src/cli/run.ts';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliSurroundings {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly clocks?: Clocks;
}

/** Runs a command line in this process. */
export async function cli(argv: readonly string[], surroundings: CliSurroundings = {}): Promise<CliRun> {
  const { stdin = '', env = {}, cwd = process.cwd(), clocks = systemClocks } = surroundings;
  let [out, err] = ['', ''];
  const code = await runCli(argv, {
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env,
    cwd,
    clocks,
    startedAtMs: 0,
  });
  return { code, out, err };
}

/** A directory that is removed after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A file in a directory that is removed after the test. */
export function temporaryFile(name: string, text: string): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
