/**
 * Reads the credential of a request to `{base}/refresh`: a refresh token in the cookie, from one of the gateway's pages, or
 * in the body, from anything but a browser. Never both, and no other credential beside it.
 */

import { z } from 'zod';
import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { RefreshClient } from '../../store/refresh-family.ts';
import { bodyType, parseForm, parseJson, readBody } from '../body.ts';
import { isFromBrowser } from '../endpoints.ts';
import type { EndpointParts } from '../parts.ts';
import type { RefreshCookie } from './refresh-cookie.ts';

const invalid = (note: string) => new Denial('token_request_invalid', note);
const WITH_AUTHORIZATION = invalid('Authorization header beside a refresh token');
const NO_TOKEN = invalid('no refresh token');
const TWO_TOKENS = invalid('refresh token in the cookie and in the body');
const OTHER_GRANT = new Denial('grant_unsupported', 'grant_type is not refresh_token');
const FROM_BROWSER = new Denial('origin_forbidden', 'refresh token in the body of a request of a browser');

/** Parameters that are not known are ignored (RFC 6749 §3.2). */
const bodySchema = z.object({
  refresh_token: z.string().optional(),
  grant_type: z.string().optional(),
  scope: z.string().optional(),
});
type Parameters = z.output<typeof bodySchema>;

/** A refresh token as it was presented, untrusted. */
export interface PresentedRefresh {
  readonly token: string;
  readonly client: RefreshClient;
  /** The parameter `scope`; `null` when it was not sent. */
  readonly scope: string | null;
}

/**
 * Reads a request.
 *
 * @returns what it presents, or a Denial: `origin_forbidden` for a page of another site, `refresh_token_refused` for a
 *   cookie with two readings, `token_request_invalid` | `grant_unsupported` | `body_*` | `media_type_unsupported`
 */
export async function readRefreshRequest(
  { originProblem, bodyTimeoutMs }: EndpointParts,
  cookies: RefreshCookie,
  exchange: Exchange,
  request: ScreenedRequest,
): Promise<PresentedRefresh | Denial> {
  const cookie = cookies.read(request.otherCookies);
  const isBrowser = cookie !== null || isFromBrowser(request);
  const foreign = isBrowser ? originProblem(request, 'page') : null;
  if (foreign !== null) return foreign;
  if (cookie instanceof Denial) return cookie;
  if (request.authorization !== null) return WITH_AUTHORIZATION;
  const sent = await readParameters(exchange, request, bodyTimeoutMs);
  if (sent instanceof Denial) return sent;
  if (sent.grant_type !== undefined && sent.grant_type !== 'refresh_token') return OTHER_GRANT;
  const scope = sent.scope ?? null;
  if (sent.refresh_token === undefined) return cookie === null ? NO_TOKEN : { token: cookie, client: 'browser', scope };
  if (cookie !== null) return TWO_TOKENS;
  return isBrowser ? FROM_BROWSER : { token: sent.refresh_token, client: 'native', scope };
}

/** The parameters in a body, a form or JSON; none in a request without a body. */
export async function readParameters(
  exchange: Exchange,
  request: ScreenedRequest,
  timeoutMs: number,
): Promise<Parameters | Denial> {
  if (request.body === 0) return {};
  const type = bodyType(request.fields.contentType);
  if (type instanceof Denial) return type;
  const text = await readBody(exchange, request, timeoutMs);
  if (text instanceof Denial) return text;
  if (type === 'json') return parseJson(text, bodySchema);
  const form = parseForm(text);
  return form instanceof Denial ? form : bodySchema.parse(Object.fromEntries(form));
}
