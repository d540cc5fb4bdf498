/**
 * sanitize: raw request in, one canonical request out, or a Denial.
 *
 * Input: the output of the HTTP parser, untrusted. Output: a {@link ScreenedRequest}, the only reading of the request that
 * later stages see. Fails with Denials 400, 414, 417, 421, 426, 431, 505; never throws, never waits. Ambiguous requests are
 * refused, never repaired.
 */

import type { BlockList } from 'node:net';
import { Denial } from '../errors.ts';
import { isTraceparent } from '../lib/http/trace-context.ts';
import { clientAddress } from './client-address.ts';
import { type CookieLimits, screenCookies } from './cookies.ts';
import { type BodyFraming, bodyFraming } from './framing.ts';
import { type HeaderScan, HeaderScanner } from './headers.ts';
import { canonicalHost } from './host.ts';
import type { OwnedHeaders } from './owned-headers.ts';
import { type CanonicalTarget, canonicalTarget } from './target.ts';
import { webSocketProblem } from './websocket.ts';

/** The peer of a connection; the same for every request on it. */
export interface PeerInfo {
  /** Plain address. */
  readonly address: string;
  /** Whether the connection is TLS. */
  readonly secure: boolean;
  /** SNI server name of a TLS connection, lower case; `null` when none was sent. */
  readonly serverName: string | null;
}

/** A request as the parser read it. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  /** `1.0` or `1.1`; `2` for HTTP/2, which no request line can say. */
  readonly httpVersion: string;
  /** Flat name, value list. */
  readonly rawHeaders: readonly string[];
  /** Whether a body follows whose end the transport knows, while no header says its length (HTTP/2). Default: false. */
  readonly hasUnframedBody?: boolean;
  /** Whether the parser treats it as an upgrade. */
  readonly isUpgrade: boolean;
  readonly peer: PeerInfo;
}

/** The rules of one configuration. */
export interface SanitizeRules {
  readonly owned: OwnedHeaders;
  readonly cookieName: string;
  readonly trustedProxies: BlockList | null;
  /** Whose trace context is believed. */
  readonly traceParents: 'trustedProxies' | 'all' | 'none';
  /** Canonical host → public origin. */
  readonly publicOrigins: ReadonlyMap<string, string>;
  readonly maxTargetBytes: number;
  readonly cookieLimits: CookieLimits;
}

/** The one reading of a request. */
export interface ScreenedRequest {
  readonly method: string;
  readonly host: string;
  /** The host with the port that the client sent: for `hostHeader: preserve` and X-Forwarded-Host only. */
  readonly hostHeader: string;
  /** The public origin that the host belongs to; `null` for hosts that only machines call. */
  readonly publicOrigin: string | null;
  readonly target: CanonicalTarget;
  readonly httpVersion: string;
  readonly body: BodyFraming;
  readonly expectsContinue: boolean;
  readonly isWebSocket: boolean;
  /** Flat name, value list of the client's headers to forward. */
  readonly headers: readonly string[];
  /** Value of the session cookie, a Denial when it is ambiguous, `null` when absent. */
  readonly sessionCookie: string | Denial | null;
  /** The Cookie header without the session cookie. */
  readonly otherCookies: string | null;
  readonly authorization: string | null;
  readonly clientAddress: string;
  /** X-Forwarded-For for the upstream. */
  readonly forwardedFor: string;
  /** `https` or `http`, as the browser sees it. */
  readonly scheme: string;
  /** Id from a trusted proxy; `null` otherwise: the gateway assigns one. */
  readonly proxyRequestId: string | null;
  /** `traceparent` as it is believed and, unless the request is recorded, passed on; valid; `null` for none. */
  readonly traceparent: string | null;
  /** Everything else that the gateway reads. */
  readonly fields: HeaderScan;
}

const UNSUPPORTED_VERSION = new Denial('http_version_unsupported', 'HTTP version is not 1.0, 1.1 or 2');
const BAD_EXPECT = new Denial('expectation_failed', 'Expect is not exactly "100-continue"');
const SNI_MISMATCH = new Denial('host_not_served', 'Host differs from the TLS server name');

/** Ids of requests that the gateway takes from trusted proxies, and gives. */
export const REQUEST_ID_PATTERN: RegExp = /^[A-Za-z0-9._~+/=-]{1,128}$/;
const NO_COOKIES = { session: null, rest: null } as const;

/** The stage, compiled from one configuration. */
export class Sanitizer {
  readonly #rules: SanitizeRules;
  readonly #scanner: HeaderScanner;

  constructor(rules: SanitizeRules) {
    this.#rules = rules;
    this.#scanner = new HeaderScanner(rules.owned);
  }

  /**
   * Reads the trailers of a request, as {@link HeaderScanner.trailers} does.
   *
   * @param rawTrailers  flat name, value list
   */
  trailers(rawTrailers: readonly string[]): string[] {
    return rawTrailers.length === 0 ? [] : this.#scanner.trailers(rawTrailers);
  }

  /** Reads a raw request once. */
  screen(raw: RawRequest): ScreenedRequest | Denial {
    const rules = this.#rules;
    if (raw.httpVersion !== '1.1' && raw.httpVersion !== '2' && raw.httpVersion !== '1.0') return UNSUPPORTED_VERSION;
    const fields = this.#scanner.scan(raw.rawHeaders);
    if (fields instanceof Denial) return fields;

    const host = canonicalHost(fields.host);
    if (host instanceof Denial) return host;
    const { name, authority } = host;
    // RFC 9110 §7.4: a request for another name than that of the TLS connection is misdirected (HST-13).
    if (raw.peer.serverName !== null && raw.peer.serverName !== name) return SNI_MISMATCH;
    const target = canonicalTarget(raw.target, name, rules.maxTargetBytes);
    if (target instanceof Denial) return target;
    const body = bodyFraming(fields.contentLength, fields.transferEncoding, raw.httpVersion, raw.hasUnframedBody);
    if (body instanceof Denial) return body;
    if (fields.expect !== null && fields.expect.toLowerCase() !== '100-continue') return BAD_EXPECT;
    if (raw.isUpgrade) {
      const problem = webSocketProblem(fields, raw.method, raw.httpVersion, body);
      if (problem !== null) return problem;
    }
    const cookies =
      fields.cookie === null ? NO_COOKIES : screenCookies(fields.cookie, rules.cookieName, rules.cookieLimits);
    if (cookies instanceof Denial) return cookies;

    const address = clientAddress(raw.peer.address, fields.forwardedFor, rules.trustedProxies);
    const publicOrigin = rules.publicOrigins.get(name) ?? null;
    return {
      method: raw.method,
      host: name,
      hostHeader: authority,
      publicOrigin,
      target,
      httpVersion: raw.httpVersion,
      body,
      // HTTP/1.0 clients do not know interim responses (RFC 9110 §10.1.1).
      expectsContinue: fields.expect !== null && raw.httpVersion !== '1.0',
      isWebSocket: raw.isUpgrade,
      headers: fields.forwarded,
      sessionCookie: cookies.session,
      otherCookies: cookies.rest,
      authorization: fields.authorization,
      clientAddress: address.client,
      forwardedFor: address.chain,
      scheme: schemeOf(raw.peer, publicOrigin, address.viaTrustedProxy ? fields.forwardedProto : null),
      proxyRequestId: address.viaTrustedProxy && isRequestId(fields.requestId) ? fields.requestId : null,
      traceparent:
        fields.traceparent !== null &&
        (rules.traceParents === 'all' || (rules.traceParents === 'trustedProxies' && address.viaTrustedProxy)) &&
        isTraceparent(fields.traceparent)
          ? fields.traceparent
          : null,
      fields,
    };
  }
}

const isRequestId = (value: string | null): value is string => value !== null && REQUEST_ID_PATTERN.test(value);

/** The scheme that the browser used: TLS here, else that of a trusted proxy, else that of the public origin. */
function schemeOf(peer: PeerInfo, publicOrigin: string | null, forwardedProto: string | null): string {
  if (peer.secure) return 'https';
  if (forwardedProto === 'https' || forwardedProto === 'http') return forwardedProto;
  return publicOrigin?.startsWith('https:') === true ? 'https' : 'http';
}
