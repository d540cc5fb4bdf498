/** Makes an interface whose implementation is in another process out of one function that calls it. */

/** An interface that can be called remotely: asynchronous methods only. */
type Remotable<T> = { readonly [Name in keyof T]: (...parameters: never[]) => Promise<unknown> };

/**
 * Implements `T` by passing each call on.
 *
 * @param names  every method of `T`
 * @param call   performs a call by name; its result is not checked against `T`
 */
export function remote<T extends Remotable<T>>(
  names: readonly (keyof T & string)[],
  call: (name: keyof T & string, parameters: readonly unknown[]) => Promise<unknown>,
): T {
  return Object.fromEntries(
    names.map((name) => [name, (...parameters: readonly unknown[]) => call(name, parameters)]),
  ) as unknown as T;
}
