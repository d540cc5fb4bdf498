/** Reads requests on the outbound listener as `sanitize` does, and refuses those meant for a forward proxy. */

import { Denial } from '../errors.ts';
import type { RawRequest, Sanitizer, ScreenedRequest } from '../sanitize/sanitize.ts';

const NOT_ORIGIN_FORM = new Denial('request_malformed', 'outbound request target is not origin-form');

/** The sanitize stage of the outbound side. */
export class OutboundSanitizer {
  readonly #sanitizer: Sanitizer;

  constructor(sanitizer: Sanitizer) {
    this.#sanitizer = sanitizer;
  }

  /** The one reading of a request, or a Denial. The listener has already refused `CONNECT`. */
  screen(raw: RawRequest): ScreenedRequest | Denial {
    return raw.target.charCodeAt(0) === 0x2f ? this.#sanitizer.screen(raw) : NOT_ORIGIN_FORM;
  }
}
