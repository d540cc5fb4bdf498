/**
 * Runs one call at a time per key: callers that ask for a key while its call is in progress get the same promise.
 *
 * Keys are compared as whole strings. Join parts only with a delimiter that they cannot contain: CVE-2026-71326 is a
 * single-flight that answered one user with the identity of another.
 */
export class SingleFlight<T> {
  readonly #underWay = new Map<string, Promise<T>>();

  /**
   * @param key   exact identity of the call
   * @param call  started only when none with this key is in progress; its rejection reaches every waiter
   */
  run(key: string, call: () => Promise<T>): Promise<T> {
    const present = this.#underWay.get(key);
    if (present !== undefined) return present;
    const started = call().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, started);
    return started;
  }

  /** Whether a call with this key is in progress. */
  has(key: string): boolean {
    return this.#underWay.has(key);
  }
}
