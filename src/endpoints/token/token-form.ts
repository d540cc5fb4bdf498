/** Reads the form of a request to the token endpoint (RFC 6749 §3.2) from any client. */

import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { bodyType, parseForm, readBody } from '../body.ts';
import { isFromBrowser } from '../endpoints.ts';
import { presentParameters, type TokenForm } from './token-request.ts';

const invalid = (note: string) => new Denial('token_request_invalid', note);
const FROM_BROWSER = invalid('a page in a browser does not call the token endpoint');
const IN_QUERY = invalid('parameters in the address');
const NOT_A_FORM = invalid('body is not a form');

/**
 * Reads the form.
 *
 * @param timeoutMs  for the whole body
 * @returns the parameters that have a value, or a Denial `token_request_invalid` | `body_*` | `request_timeout`
 * @throws GatewayFault `downstream_aborted`, as a rejection
 */
export async function readTokenForm(
  exchange: Exchange,
  request: ScreenedRequest,
  timeoutMs: number,
): Promise<TokenForm | Denial> {
  // A browser that knows a Basic credential sends it with the requests of any page.
  if (isFromBrowser(request)) return FROM_BROWSER;
  // Proxies on the way would log them.
  if (request.target.query !== '') return IN_QUERY;
  if (bodyType(request.fields.contentType) !== 'form') return NOT_A_FORM;
  const text = await readBody(exchange, request, timeoutMs);
  const form = text instanceof Denial ? text : parseForm(text);
  return form instanceof Denial ? form : presentParameters(form);
}
