/** The project's type checker, for small programs. */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
/** Inside the project, so that its packages are found. */
const CACHE = join(ROOT, 'node_modules', '.cache');

/** Several checkers each read the same declarations: twice the work for programs of this size. */
export const ONE_CHECKER: readonly string[] = ['--checkers', '1'];

/** One error that the compiler reports. */
export interface CompilerError {
  /** Relative to the folder that was compiled. */
  readonly file: string;
  readonly code: string;
  readonly message: string;
}

/** A folder of sources that is deleted at the end of its block. */
export class CompiledFolder implements Disposable {
  readonly path: string;

  constructor(prefix: string) {
    mkdirSync(CACHE, { recursive: true });
    this.path = mkdtempSync(join(CACHE, prefix));
    // Nothing is emitted, so absolute imports of sources need no rewriting. The declarations of packages are checked
    // with the sources.
    const compilerOptions = { rewriteRelativeImportExtensions: false, noUnusedLocals: false, skipLibCheck: true };
    const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['**/*.ts'], exclude: [] };
    writeFileSync(join(this.path, 'tsconfig.json'), JSON.stringify(config));
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.path, file), text);
  }

  /** Copies the sources of the gateway into it. */
  copySources(): void {
    cpSync(join(ROOT, 'src'), this.path, { recursive: true });
  }

  errors(): CompilerError[] {
    return run(this.path)
      .split('\n')
      .flatMap((line) => {
        const groups = /^(?<file>[^(]+)\(\d+,\d+\): error (?<code>TS\d+): (?<message>.*)$/.exec(line)?.groups;
        if (groups === undefined) return [];
        const { file = '', code = '', message = '' } = groups;
        return [
          {
            file: file.slice(file.lastIndexOf(this.path.slice(CACHE.length)) + this.path.length - CACHE.length + 1),
            code,
            message,
          },
        ];
      });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * Compiles each program separately, after the same declarations.
 *
 * @param prelude  imports from `ROOT/src/…` and `declare const …`
 * @returns the codes of the errors, by the name of the program
 */
export function compilePrograms<Name extends string>(
  prelude: string,
  programs: Readonly<Record<Name, string>>,
): ReadonlyMap<Name, readonly string[]> {
  using folder = new CompiledFolder('programs-');
  const names = Object.keys(programs) as Name[];
  for (const [at, name] of names.entries()) {
    folder.write(`case-${at}.ts`, `${prelude.replaceAll('ROOT/', `${ROOT}/`)}\n${programs[name]}\nexport {};\n`);
  }
  const errors = folder.errors();
  return new Map(
    names.map((name, at) => [name, errors.filter(({ file }) => file === `case-${at}.ts`).map(({ code }) => code)]),
  );
}

function run(project: string): string {
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    return execFileSync(process.execPath, [compiler, ...ONE_CHECKER, '--noEmit', '-p', project], { encoding: 'utf8' });
  } catch (failed) {
    return String((failed as { stdout: unknown }).stdout);
  }
}
