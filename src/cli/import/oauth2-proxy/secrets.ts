/** Secrets that a configuration of oauth2-proxy has in it, and that become files. */

import { UNKNOWN } from './read/files.ts';
import type { Origin, Report } from './report.ts';

/** A file with a secret. */
export interface SecretFile {
  readonly name: string;
  readonly value: string;
}

/** Gives each secret a file. */
export class SecretStore {
  readonly #directory: string | null;
  readonly #report: Report;
  readonly #files: SecretFile[] = [];

  /** @param directory  where the files are going to be; `null`: beside the configuration, where the user writes them */
  constructor(directory: string | null, report: Report) {
    this.#directory = directory;
    this.#report = report;
  }

  /** The path of the file for a secret, as the configuration names it. */
  file(name: string, value: string, { name: option }: Origin): string {
    const path = this.#directory === null ? name : `${this.#directory}/${name}`;
    if (this.#directory === null || value === UNKNOWN)
      this.#report.todo(`Put the value of \`${option}\` into the file \`${path}\`, which only the gateway can read.`);
    else this.#files.push({ name, value });
    return path;
  }

  /** The files to write. */
  get files(): readonly SecretFile[] {
    return this.#files;
  }
}
