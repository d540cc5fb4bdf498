/**
 * admin: the listener for operators, probes and Prometheus, on its own address, which is never the public one. Probes,
 * metrics and the public keys are open to every client that reaches it; everything else is guarded.
 *
 * Paths are matched exactly, queries are accepted only where they mean something, nothing is normalised: what a probe
 * asks for cannot be mistaken for anything else (CFG-14). It answers until the process ends, also while it drains.
 */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { bodyType, readShortText } from '../endpoints/body.ts';
import { asGatewayFault, Denial, PROBLEM_MEDIA_TYPE, problemDocument, REASONS, type Reason } from '../errors.ts';
import { plainAddress } from '../lib/address.ts';
import { randomHex } from '../lib/crypto/random-hex.ts';
import { challenge } from '../lib/http/challenge.ts';
import { createServer, type IncomingMessage, type ServerResponse } from '../lib/http/node-http.ts';
import { lingeringClose } from '../listener/http1/linger.ts';
import { listenOn } from '../listener/http1/listen.ts';
import { type ParserError, parserNote, parserRefusal, refuseConnection } from '../listener/http1/refusal.ts';
import type { ListenerAddress } from '../listener/listener.ts';
import type { EarlyRefusal } from '../telemetry/finished-request.ts';
import { errorFields } from '../telemetry/log.ts';
import { type AdminEndpoint, ENDPOINTS } from './endpoints.ts';
import { AdminGuard } from './guard.ts';
import { PAGES } from './page/pages.ts';
import type { AdminAnswer, AdminParts } from './request.ts';
import type { AdminListenerConfig } from './section.ts';
import { AdminToken } from './token-file.ts';

const MAX_CONNECTIONS = 512;

/** The admin listener, from its first connection to its last. */
export class AdminListener {
  readonly #config: AdminListenerConfig;
  readonly #parts: AdminParts;
  readonly #token: AdminToken | null;
  readonly #guard: AdminGuard;
  readonly #server: Server;

  /** @param tokenDigest  of the token in the file; `null` where the configuration names none */
  constructor(config: AdminListenerConfig, tokenDigest: Buffer | null, parts: AdminParts) {
    const { tokenFile } = config;
    this.#config = config;
    this.#parts = parts;
    this.#token =
      tokenFile === undefined || tokenDigest === null
        ? null
        : new AdminToken(tokenFile, tokenDigest, parts.log, parts.series);
    this.#guard = new AdminGuard(config, this.#token);
    this.#server = createAdminServer(
      (request, response) => void this.#handle(request, response),
      (refusal) => {
        parts.log.info({ ...refusal }, 'admin request refused');
        return problemDocument(refusal.reason, refusal.id, parts.problemTypeBase());
      },
    );
  }

  /**
   * Begins to accept connections.
   *
   * @throws ConfigFault when the address is unavailable
   */
  async listen(): Promise<ListenerAddress> {
    return { scheme: 'http', ...(await listenOn(this.#server, this.#config.address, 'listeners.admin.address')) };
  }

  /** Cuts every connection. */
  close(): void {
    this.#token?.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = randomHex(32);
    const about = { id, typeBase: this.#parts.problemTypeBase() };
    try {
      await this.#answer(request, response, about);
    } catch (thrown) {
      const fault = asGatewayFault(thrown);
      this.#parts.log.error({ id, fault: errorFields(fault.cause ?? fault) }, 'admin request failed');
      if (response.headersSent) response.destroy();
      else sendProblem(response, fault.reason, about);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, about: About): Promise<void> {
    const { id } = about;
    const [path = '', ...rest] = (request.url ?? '').split('?');
    const query = rest.length === 0 ? null : rest.join('?');
    const rows = ROWS.filter((row) => segmentOf(row, path) !== null);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const row = rows.find((candidate) => candidate.method === method);
    const parameters = new URLSearchParams(query ?? '');
    const isOtherQuery = row !== undefined && !acceptsQuery(row, query, parameters);
    // A probe is its exact path: with another query it is something else, and nothing.
    if (rows.length === 0 || (isOtherQuery && row.parameter?.isOptional !== false)) {
      sendProblem(response, 'route_not_found', about);
      return;
    }
    const guard = rows[0]?.guard ?? 'none';
    const refusal = guard === 'none' ? null : this.#refusal(request, guard, id);
    if (refusal === 'client_unauthorized' && guard === 'page') sendPasswordPrompt(response, about);
    else if (refusal !== null) sendProblem(response, refusal, about);
    else if (isOtherQuery) sendProblem(response, 'query_malformed', about);
    else if (row === undefined) sendProblem(response, 'method_not_allowed', about, ['Allow', allowedMethods(rows)]);
    else {
      const client = plainAddress(request.socket.remoteAddress ?? '');
      const segment = segmentOf(row, path) ?? '';
      const body = row.takesBody === true ? await readJsonText(request) : '';
      const { accept = '' } = request.headers;
      const asked = { id, client, segment, query: parameters, accept };
      const answer = body instanceof Denial ? body : await row.answer({ ...asked, body }, this.#parts);
      if (answer instanceof Denial) sendProblem(response, answer.reason, about);
      else await send(response, answer);
    }
  }

  #refusal(request: IncomingMessage, guard: 'host' | 'token' | 'page', id: string): Reason | null {
    const reason = this.#guard.refusal(request, guard);
    if (reason !== null) {
      const client = plainAddress(request.socket.remoteAddress ?? '');
      this.#parts.log.warn({ id, client, reason }, 'admin request refused');
    }
    return reason;
  }
}

const ROWS: readonly AdminEndpoint[] = [...ENDPOINTS, ...PAGES];

/** The text of the path's last segment; empty where the endpoint takes none, `null` when the path is another one. */
function segmentOf({ path, takesSegment }: AdminEndpoint, asked: string): string | null {
  if (takesSegment !== true) return asked === path ? '' : null;
  const segment = asked.startsWith(path) ? asked.slice(path.length) : '';
  return /^[A-Za-z0-9_-]{1,128}$/.test(segment) ? segment : null;
}

/** One parameter at most, of the name that the endpoint takes, with a value that it can have; or each of a form once. */
function acceptsQuery({ parameter, form }: AdminEndpoint, query: string | null, parameters: URLSearchParams): boolean {
  if (form !== undefined) {
    const names = [...parameters.keys()];
    return names.every((name, index) => form.includes(name) && names.indexOf(name) === index);
  }
  if (parameter === undefined) return query === null;
  if (query === null) return parameter.isOptional;
  const value = parameters.get(parameter.name) ?? '';
  return parameters.size === 1 && (parameter.only === undefined ? value !== '' : value === parameter.only);
}

const allowedMethods = (rows: readonly AdminEndpoint[]) =>
  rows.map(({ method }) => (method === 'GET' ? 'GET, HEAD' : method)).join(', ');

function createAdminServer(
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
  onParserRefusal: (refusal: EarlyRefusal) => string,
): Server {
  const server = createServer({
    maxHeaderSize: 16 * 1024,
    headersTimeout: 5_000,
    requestTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    // Longer than the usual scrape interval.
    keepAliveTimeout: 75_000,
    insecureHTTPParser: false,
    requireHostHeader: false,
    noDelay: true,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = 100;
  server.on('connection', (socket) => {
    socket.destroySoon = lingeringClose;
  });
  const begun = new WeakMap<Socket, ServerResponse>();
  const begin = (request: IncomingMessage, response: ServerResponse) => {
    begun.set(request.socket, response);
    onRequest(request, response);
  };
  server.on('request', begin);
  server.on('checkContinue', begin);
  server.on('clientError', (error: ParserError, stream) => {
    const socket = stream as Socket;
    const reason = parserRefusal(error);
    if (reason === null || socket.bytesRead === 0) socket.destroy();
    else if (!socket.writableEnded) {
      const client = plainAddress(socket.remoteAddress ?? '');
      const refusal = { id: randomHex(32), reason, note: parserNote(error), client };
      const answer = { mediaType: PROBLEM_MEDIA_TYPE, body: onParserRefusal(refusal), headers: [] };
      refuseConnection(socket, refusal, answer, () => {
        const last = begun.get(socket);
        return last === undefined || last.closed ? null : last;
      });
    }
  });
  return server;
}

const realm = 'sallyport admin';
const CHALLENGE = challenge('Bearer', { realm });
/** A browser asks its user for a password. */
const PAGE_CHALLENGE = challenge('Basic', { realm, charset: 'UTF-8' });
const PAGE_DETAIL = 'Enter any user name, and the admin token as the password.';

/** Where the usual words would give advice for the public listener. */
const DETAILS: Readonly<Partial<Record<Reason, string>>> = {
  host_not_served:
    'Ask under an IP address or localhost, or add this host name to listeners.admin.allowedHosts: a web page could have rebound it.',
  origin_forbidden: 'The admin API takes no requests from web pages. A program leaves the Origin header out.',
};

const NOT_JSON = new Denial('media_type_unsupported', 'not JSON');

/** Reads a body of JSON. A slow one is cut by the timeout of the server. */
async function readJsonText(request: IncomingMessage): Promise<string | Denial> {
  return bodyType(request.headers['content-type'] ?? null) === 'json' ? readShortText(request, null) : NOT_JSON;
}

async function send(response: ServerResponse, { status, mediaType, headers = [], body }: AdminAnswer): Promise<void> {
  if (typeof body === 'string') return respond(response, status, mediaType, body, headers);
  response.writeHead(status, [...headers, ...headersOf(mediaType)]);
  if (response.req.method !== 'HEAD') {
    for await (const block of body) {
      if (response.closed) return;
      if (!response.write(block)) await drainedOrClosed(response);
    }
  }
  response.end();
}

function drainedOrClosed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

const headersOf = (type: string) => [
  'Content-Type',
  type,
  'Cache-Control',
  'no-store',
  'X-Content-Type-Options',
  'nosniff',
];

/** What a problem document says besides the reason. */
interface About {
  readonly id: string;
  readonly typeBase: string | null;
}

/** Lets a browser ask its user for the token. */
function sendPasswordPrompt(response: ServerResponse, { id, typeBase }: About): void {
  const reason = 'client_unauthorized';
  const body = problemDocument(reason, id, typeBase, PAGE_DETAIL);
  respond(response, REASONS[reason].status, PROBLEM_MEDIA_TYPE, body, ['WWW-Authenticate', PAGE_CHALLENGE]);
}

function sendProblem(
  response: ServerResponse,
  reason: Reason,
  { id, typeBase }: About,
  headers: readonly string[] = [],
): void {
  const { status, detail, retryAfterSec } = REASONS[reason];
  const challenge = reason === 'client_unauthorized' ? ['WWW-Authenticate', CHALLENGE] : [];
  const retry = retryAfterSec === undefined ? [] : ['Retry-After', String(retryAfterSec)];
  const body = problemDocument(reason, id, typeBase, DETAILS[reason] ?? detail);
  respond(response, status, PROBLEM_MEDIA_TYPE, body, [...headers, ...challenge, ...retry]);
}

function respond(response: ServerResponse, status: number, type: string, body: string, headers: readonly string[]) {
  const bytes = Buffer.from(body);
  response.writeHead(status, [...headers, ...headersOf(type), 'Content-Length', String(bytes.byteLength)]);
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}
