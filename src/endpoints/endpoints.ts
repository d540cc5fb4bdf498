/**
 * endpoints: the gateway's own addresses on the public listener, and which request goes to which of them.
 *
 * Input: screened requests that have not been authenticated: each endpoint decides which credential it accepts. Output:
 * an answer through the Responder, or a Denial. A failing store or key is 503, as everywhere.
 */

import { preflightMethod } from '../cors/rule.ts';
import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';

/** Answers a request, or says why it is refused. */
export type Endpoint = (exchange: Exchange, request: ScreenedRequest) => Promise<Denial | null> | Denial | null;

/** Answers a CORS preflight for a method. */
type Preflight = (exchange: Exchange, method: string) => Denial | null;

/** One of the gateway's own endpoints. */
export interface EndpointRow {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Canonical path; a final `:handle` stands for one segment. */
  readonly path: string;
  /** Whether it is for browsers, and so only answered on a host with a public origin. */
  readonly needsPublicOrigin: boolean;
  readonly answer: Endpoint;
}

/** Makes rows of endpoints for browsers, with paths below another. */
export const rowsBelow =
  (basePath: string) =>
  (method: EndpointRow['method'], path: string, answer: Endpoint): EndpointRow => ({
    method,
    path: `${basePath}${path}`,
    needsPublicOrigin: true,
    answer,
  });

const NOT_FOUND = new Denial('route_not_found', 'no such endpoint');
const HOST_NOT_SERVED = new Denial('host_not_served', 'endpoint is only served on a public origin');

/** Whether a browser sends a request: browsers alone name the origin or the site that it comes from (Fetch §3.2, Fetch Metadata). */
export const isFromBrowser = ({ fields }: ScreenedRequest): boolean =>
  fields.origin !== null || fields.secFetchSite !== null;

/** The gateway's own endpoints, by method and path. */
export class Endpoints {
  readonly #basePath: string;
  readonly #preflight: Preflight | null;
  readonly #byPath = new Map<string, EndpointRow[]>();

  /** @param preflight  answers CORS preflights; `null` where no other origin may read answers */
  constructor(basePath: string, rows: readonly EndpointRow[], preflight: Preflight | null) {
    this.#basePath = basePath;
    this.#preflight = preflight;
    for (const row of rows) this.#byPath.set(row.path, [...(this.#byPath.get(row.path) ?? []), row]);
  }

  /** A path as the row of its endpoint states it. @param path  of a request that {@link match} has an endpoint for */
  pathOf(path: string): string {
    return this.#byPath.has(path) ? path : withHandle(path);
  }

  /** The endpoint of a request; `null` when the request is for a route; a Denial 404, 405 or 421. */
  match(request: ScreenedRequest): Endpoint | Denial | null {
    const { path } = request.target;
    if (!path.startsWith(this.#basePath) && !path.startsWith('/.well-known/')) return null;
    const rows = this.#byPath.get(path) ?? this.#byPath.get(withHandle(path));
    if (rows === undefined) {
      return path === this.#basePath || path.startsWith(`${this.#basePath}/`) ? NOT_FOUND : null;
    }
    const asked = this.#preflight === null ? null : preflightMethod(request);
    const method = asked ?? (request.method === 'HEAD' ? 'GET' : request.method);
    const row = rows.find((candidate) => candidate.method === method);
    if (row === undefined) {
      const allowed = rows.map((candidate) => candidate.method).join(', ');
      return new Denial('method_not_allowed', 'endpoint does not accept the method', ['Allow', allowed]);
    }
    if (row.needsPublicOrigin && request.publicOrigin === null) return HOST_NOT_SERVED;
    return asked === null ? row.answer : (exchange) => this.#preflight?.(exchange, row.method) ?? null;
  }
}

const withHandle = (path: string) => `${path.slice(0, path.lastIndexOf('/'))}/:handle`;
