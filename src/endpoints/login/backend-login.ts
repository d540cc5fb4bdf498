/**
 * `POST {base}/sessions`: a trusted backend opens a session for a user whom it has authenticated. The answer has the
 * Set-Cookie line that the backend must pass on to the browser, on a route with `relaySessionCookie`
 * (docs/how-to/login-backend.md). The session id is nowhere else.
 */

import { z } from 'zod';
import type { Clients } from '../../authentication/client/clients.ts';
import { presentedCredential } from '../../authentication/client/presented-credential.ts';
import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import { isSessionHandle } from '../../jwt/names.ts';
import { toTimestamp } from '../../lib/text/timestamp.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { bodyType, parseJson, readBody } from '../body.ts';
import { describeBackend } from '../device.ts';
import { isFromBrowser } from '../endpoints.ts';
import { type EndpointParts, NOT_REMEMBERED, sourceOf } from '../parts.ts';
import { beginRefresh, wantedRefresh } from '../refresh/refresh-logins.ts';
import { areTooLarge, attributesSchema, visibleText } from './user-attributes.ts';

const FROM_BROWSER = new Denial('origin_forbidden', 'a browser does not open sessions for others');
/** A session is opened by a JSON body: the credential is in the header, never in a form. */
const NO_FORM: ReadonlyMap<string, string> = new Map();
const NOT_JSON = new Denial('media_type_unsupported', 'not JSON');

const MAX_LIFETIME_SEC = 10 * 365 * 86_400;

const requestSchema = z.strictObject({
  subject: visibleText(200),
  user: attributesSchema()
    .refine((attributes) => !areTooLarge(attributes))
    .prefault({}),
  device: visibleText(200).optional(),
  lifetimeSeconds: z.int().min(1).max(MAX_LIFETIME_SEC).optional(),
  /** The session that the browser had: `sid` of the upstream token that the backend got with the login request. */
  replaces: z.string().refine(isSessionHandle).optional(),
  /** Whether the user asks to stay logged in. */
  remember: z.boolean().optional(),
  /** The kind of client that gets a refresh token with the session; left out: none. */
  refresh: z.enum(['browser', 'native']).optional(),
});

/** The endpoint for trusted backends. */
export class BackendLogin {
  readonly #parts: EndpointParts;
  readonly #backends: Clients;

  /** @param backends  clients by the rules of the token endpoint, with a secret (HTTP Basic) or a service token */
  constructor(parts: EndpointParts, backends: Clients) {
    this.#parts = parts;
    this.#backends = backends;
  }

  /** Opens a session. */
  async open(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    // A browser that knows a Basic credential sends it with the requests of any page.
    if (isFromBrowser(request)) return FROM_BROWSER;
    const backend = await this.#authenticate(request);
    if (backend instanceof Denial) {
      this.#recordFailure(backend, exchange, request);
      return backend;
    }
    if (bodyType(request.fields.contentType) !== 'json') return NOT_JSON;
    const text = await readBody(exchange, request, this.#parts.bodyTimeoutMs);
    const asked = text instanceof Denial ? text : parseJson(text, requestSchema);
    if (asked instanceof Denial) return asked;
    if (asked.remember === true && !this.#parts.sessions.canRemember) return NOT_REMEMBERED;
    const client = wantedRefresh(this.#parts, asked.refresh ?? null, request);
    if (client instanceof Denial) return client;

    const source = sourceOf(exchange, request);
    const opened = await this.#parts.opener.open(
      {
        subject: asked.subject,
        user: asked.user,
        method: 'backend',
        device: asked.device ?? describeBackend(backend),
        ...(asked.lifetimeSeconds !== undefined && { lifetimeMs: asked.lifetimeSeconds * 1_000 }),
        remembered: asked.remember === true,
        account: backend,
        replaces: asked.replaces ?? null,
      },
      source,
    );
    const { headers, document } = await beginRefresh(this.#parts, client, opened, source);
    const { subject, handle, expiresAtMs } = opened.record;
    const session = JSON.stringify({ handle, subject, expiresAt: toTimestamp(expiresAtMs) });
    const body = document === null ? session : `${session.slice(0, -1)},"tokens":${document}}`;
    this.#parts.responder.json(exchange, 201, body, headers);
    return null;
  }

  /** Which backend makes a request. Cookies are ignored. */
  async #authenticate({ authorization, clientAddress }: ScreenedRequest): Promise<string | Denial> {
    const presented = presentedCredential(authorization, NO_FORM);
    return presented instanceof Denial ? presented : this.#backends.authenticate(presented, clientAddress);
  }

  #recordFailure({ reason, note }: Denial, exchange: Exchange, request: ScreenedRequest): void {
    this.#parts.series.failures.inc({ reason: reason === 'rate_limited' ? 'throttled' : 'client' });
    this.#parts.audit.write(
      { event: 'login_failed', method: 'backend', account: null, reason, note },
      sourceOf(exchange, request),
    );
  }
}
