/** The one credential that a request presents, read but not judged. */

import { Denial } from '../../errors.ts';
import { bearerCredential } from '../../lib/http/bearer.ts';
import { trimEnd } from '../../lib/text/trim.ts';

/** A client's credential. */
export type PresentedCredential =
  | { readonly method: 'client_secret_basic'; readonly clientId: string; readonly secret: string }
  | { readonly method: 'assertion'; readonly assertion: string }
  | { readonly method: 'bearer'; readonly authorization: string };

/** The parameters of the request's form, by name. */
type FormParameters = ReadonlyMap<string, string>;

/** RFC 7523 §2.2. */
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

const invalid = (note: string) => new Denial('token_request_invalid', note);
const unauthorized = (note: string) => new Denial('client_unauthorized', note);
const SEVERAL = invalid('more than one client credential');
const ASSERTION_TYPE_WRONG = invalid('client_assertion without its type, or with another type');
const OTHER_CLIENT_ID = invalid('client_id is not the client that the credential names');
const NONE = unauthorized('no client credential');
const SECRET_IN_BODY = unauthorized('client_secret in the body, which is not accepted');
const BAD_SCHEME = unauthorized('Authorization is neither Basic nor Bearer');
const BAD_BASIC = unauthorized('Basic is not base64 of two form-encoded parts');

/** RFC 7617 §2: the scheme, case-insensitive, one space, base64. */
const BASIC = /^basic ([A-Za-z0-9+/]+={0,2})$/i;

/**
 * Reads the credential of a request.
 *
 * @param authorization  value of the Authorization header, untrusted
 * @returns a Denial `token_request_invalid` when there is more than one (RFC 6749 §2.3), `client_unauthorized` when there
 *   is none that can be read
 */
export function presentedCredential(authorization: string | null, form: FormParameters): PresentedCredential | Denial {
  const assertion = form.get('client_assertion') ?? null;
  const assertionType = form.get('client_assertion_type') ?? null;
  const isSecretInBody = form.has('client_secret');
  if ([authorization !== null, assertion !== null, isSecretInBody].filter(Boolean).length > 1) return SEVERAL;
  if ((assertion === null) !== (assertionType === null)) return ASSERTION_TYPE_WRONG;
  if (assertion !== null) {
    return assertionType === ASSERTION_TYPE ? { method: 'assertion', assertion } : ASSERTION_TYPE_WRONG;
  }
  if (isSecretInBody) return SECRET_IN_BODY;
  if (authorization === null) return NONE;
  if (bearerCredential(authorization) !== null) return { method: 'bearer', authorization };
  const encoded = BASIC.exec(authorization)?.[1];
  return encoded === undefined ? BAD_SCHEME : basicCredential(encoded);
}

/** A `client_id` in the form has to name the client of the credential. @returns a Denial when it does not */
export function clientIdProblem(clientId: string, form: FormParameters): Denial | null {
  const stated = form.get('client_id');
  return stated === undefined || stated === clientId ? null : OTHER_CLIENT_ID;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Both parts are form-encoded before they are joined by a colon (RFC 6749 §2.3.1). */
function basicCredential(encoded: string): PresentedCredential | Denial {
  const bytes = Buffer.from(encoded, 'base64');
  if (trimEnd(bytes.toString('base64'), '=') !== trimEnd(encoded, '=')) return BAD_BASIC;
  try {
    const pair = utf8.decode(bytes);
    const colon = pair.indexOf(':');
    if (colon === -1) return BAD_BASIC;
    const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '));
    return {
      method: 'client_secret_basic',
      clientId: decode(pair.slice(0, colon)),
      secret: decode(pair.slice(colon + 1)),
    };
  } catch {
    return BAD_BASIC;
  }
}
