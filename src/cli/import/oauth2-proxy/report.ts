/** The report of an import: what it left out, what is different now, and what remains to be done. */

import { counted } from '../../../lib/text/counted.ts';
import type { Setting } from './settings.ts';

/** An option as it was written, or a part of an alpha configuration. */
export type Origin = Pick<Setting, 'name' | 'file'>;

interface Entry {
  readonly origin: Origin;
  readonly text: string;
}

/** Collects the entries of the report. No text contains the value of an option that may be secret. */
export class Report {
  readonly #dropped: Entry[] = [];
  readonly #different: Entry[] = [];
  readonly #todo: string[] = [];

  /** An option, or a part of one, is not carried over. */
  dropped(origin: Origin, text: string): void {
    this.#dropped.push({ origin, text });
  }

  /** An option is carried over, and means something else, or less. */
  different(origin: Origin, text: string): void {
    this.#different.push({ origin, text });
  }

  /** Something is left to be done by hand. */
  todo(text: string): void {
    if (!this.#todo.includes(text)) this.#todo.push(text);
  }

  /** Whether an option has been mentioned. */
  mentions({ name, file }: Origin): boolean {
    return [...this.#dropped, ...this.#different].some(({ origin }) => origin.name === name && origin.file === file);
  }

  /** How many options, or parts of options, were not carried over. */
  get droppedCount(): number {
    return this.#dropped.length;
  }

  /**
   * The report as text.
   *
   * @param carried  how many options were carried over
   */
  text(carried: number): string {
    const entries = (list: readonly Entry[]) =>
      list.map(({ origin, text }) => `  ${origin.name} (${origin.file})\n    ${plain(text)}\n`);
    const section = (title: string, lines: readonly string[]) =>
      lines.length === 0 ? '' : `\n${title}\n${lines.join('')}`;
    return [
      `Carried over: ${counted(carried, 'option')}. Not carried over: ${this.#dropped.length}.\n`,
      section('Not carried over', entries(this.#dropped)),
      section('Different now', entries(this.#different)),
      section(
        'Before the start',
        this.#todo.map((text) => `  - ${plain(text)}\n`),
      ),
    ].join('');
  }
}

/** Without the quotes of Markdown, which a terminal shows as they are. */
const plain = (text: string) => text.replaceAll('`', '');
