/**
 * Worked examples of docs/contributing/recipes.md, and the copy of the sources in which they are applied, compiled and
 * run.
 */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ONE_CHECKER } from '../support/compiler.ts';

const ROOT = join(import.meta.dirname, '../..');

/** One edit of an existing file: text that is inserted after an anchor. */
interface Edit {
  readonly after: string;
  readonly insert: string;
}

/** A feature: its new files, and its edits of existing files. */
export interface Example {
  readonly newFiles: Readonly<Record<string, string>>;
  readonly edits: Readonly<Record<string, readonly Edit[]>>;
}

/** A copy of the sources. */
export class TrialTree implements Disposable {
  // Outside of node_modules, where Node does not strip types.
  readonly directory: string = mkdtempSync(join(tmpdir(), 'sallyport-recipes-'));
  /** The program. */
  readonly main: string = this.path('src/main.ts');

  constructor() {
    for (const path of ['src', 'package.json', 'tsconfig.json']) {
      cpSync(join(ROOT, path), this.path(path), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), this.path('node_modules'));
  }

  path(relative: string): string {
    return join(this.directory, relative);
  }

  /** Adds a feature. Throws if an anchor is missing: then the example, and perhaps the recipe, needs an update. */
  apply({ newFiles, edits }: Example): void {
    for (const [file, text] of Object.entries(newFiles)) {
      mkdirSync(dirname(this.path(file)), { recursive: true });
      writeFileSync(this.path(file), text);
    }
    for (const [file, inserts] of Object.entries(edits)) {
      const edited = inserts.reduce(
        (text, { after, insert }) => {
          if (!text.includes(after)) throw new Error(`${file} has no ${JSON.stringify(after)}: update the recipe`);
          return text.replace(after, () => after + insert);
        },
        readFileSync(this.path(file), 'utf8'),
      );
      writeFileSync(this.path(file), edited);
    }
  }

  /** Runs Node in the copy and returns its output. */
  node(...args: string[]): string {
    return execFileSync(process.execPath, args, { cwd: this.directory, encoding: 'utf8' });
  }

  /** The output of the compiler; empty if it accepts everything. */
  compile(): string {
    try {
      const options = [...ONE_CHECKER, '--skipLibCheck', '--noEmit', '-p', this.directory];
      return this.node(this.path('node_modules/typescript/bin/tsc'), ...options);
    } catch (failed) {
      return String((failed as { stdout: unknown }).stdout);
    }
  }

  /** Runs a command of the program and returns its output, whether or not it succeeds. */
  sallyport(...args: string[]): string {
    try {
      return this.node(this.main, ...args);
    } catch (failed) {
      return String((failed as { stdout: unknown }).stdout);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
