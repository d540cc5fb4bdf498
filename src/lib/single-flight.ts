/**
 * One call at a time per key: whoever asks for the same key while a call is under way gets that call's promise.
 *
 * Keys are compared as whole strings (no concatenation of parts by the callers without a delimiter that the parts
 * cannot contain: CVE-2026-71326 is a single-flight that answered one user with another's identity).
 */
export class SingleFlight<T> {
  readonly #underWay = new Map<string, Promise<T>>();

  /**
   * @param key   exact identity of the call
   * @param call  started only when none with this key is under way; its rejection reaches every waiter
   */
  run(key: string, call: () => Promise<T>): Promise<T> {
    const present = this.#underWay.get(key);
    if (present !== undefined) return present;
    const started = call().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, started);
    return started;
  }

  /** Whether a call with this key is under way. */
  has(key: string): boolean {
    return this.#underWay.has(key);
  }
}
