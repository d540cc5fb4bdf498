/** A `cors` key, compiled. */

import { Denial } from '../errors.ts';
import type { CorsConfig } from './section.ts';

const FOREIGN = new Denial('origin_forbidden', 'CORS preflight of an origin that is not listed');
const VARY: readonly string[] = ['Vary', 'Origin'];

/** What a preflight is recognised by. */
interface AskedMethod {
  readonly method: string;
  readonly fields: { readonly origin: string | null; readonly requestedMethod: string | null };
}

/** The method that a CORS preflight asks for (Fetch §3.2.2); `null` for any other request. */
export function preflightMethod({ method, fields }: AskedMethod): string | null {
  return method === 'OPTIONS' && fields.origin !== null ? fields.requestedMethod : null;
}

/** Says to browsers which pages may read an answer. */
export class CorsRule {
  readonly #byOrigin: ReadonlyMap<string, readonly string[]>;
  readonly #forAll: readonly string[] | null;
  readonly #allowHeaders: string;
  readonly #maxAgeSec: string;

  constructor({ origins, credentials, headers, exposeHeaders, maxAge }: CorsConfig) {
    const answer = (origin: string) => [
      'Access-Control-Allow-Origin',
      origin,
      ...(credentials ? ['Access-Control-Allow-Credentials', 'true'] : []),
      ...(exposeHeaders.length === 0 ? [] : ['Access-Control-Expose-Headers', exposeHeaders.join(', ')]),
    ];
    this.#forAll = origins.includes('*') ? answer('*') : null;
    this.#byOrigin = new Map(origins.map((origin) => [origin, [...answer(origin), ...VARY]]));
    this.#allowHeaders = headers.join(', ');
    this.#maxAgeSec = String(Math.floor(maxAge / 1_000));
  }

  /**
   * Headers of an answer, as a flat name, value list. An origin that is not listed gets `Vary` alone, and so does a request
   * without one: a cache must not give their answer to others.
   *
   * @param origin  the Origin header, untrusted
   */
  headersFor(origin: string | null): readonly string[] {
    return this.#forAll ?? (origin === null ? VARY : (this.#byOrigin.get(origin) ?? VARY));
  }

  /**
   * Headers of the answer to a preflight, or a Denial `origin_forbidden`.
   *
   * @param method  the requested one, which is served at the address
   */
  preflightHeaders(origin: string | null, method: string): readonly string[] | Denial {
    const headers = this.headersFor(origin);
    if (headers === VARY) return FOREIGN;
    return [
      ...headers,
      'Access-Control-Allow-Methods',
      method,
      ...(this.#allowHeaders === '' ? [] : ['Access-Control-Allow-Headers', this.#allowHeaders]),
      'Access-Control-Max-Age',
      this.#maxAgeSec,
    ];
  }
}
