/**
 * Brands: strings that the compiler tells apart though they are all strings at run time. A branded string can stand
 * wherever a string can, but not the other way round: only the function that makes or checks one says `as`.
 */

declare const BRAND: unique symbol;
declare const SECRET: unique symbol;

/** A string of its own kind, such as the public name of a session. Brands add up: `A & Brand<'B'>` can stand for an `A`. */
export type Brand<Name extends string> = string & { readonly [BRAND]: { readonly [K in Name]: true } };

/** The same for a string that opens something: {@link WithoutSecrets} keeps it out of logs. */
export type Secret<Name extends string> = Brand<Name> & { readonly [SECRET]: true };

/** Any string but a secret. */
export type PlainString = string & { readonly [SECRET]?: never };

/** The same type, with every string in it a {@link PlainString}; literals and brands that are not secret stay as they are. */
export type WithoutSecrets<T> = T extends string
  ? string extends T
    ? PlainString
    : T
  : T extends object
    ? { readonly [K in keyof T]: WithoutSecrets<T[K]> }
    : T;
