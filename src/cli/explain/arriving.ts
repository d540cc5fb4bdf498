/** The request that is explained as it arrives on its listener: from its client, or as a question of a proxy. */

import { FORM_PATHS, GRPC_FORM } from '../../authorizer/form.ts';
import type { Denial } from '../../errors.ts';
import { Exchange } from '../../exchange.ts';
import type { Clocks } from '../../lib/clock.ts';
import { isGrpcType } from '../../lib/http/grpc.ts';
import { type HeadLimits, readHead } from '../../listener/http2/request-head.ts';
import type { Pipeline } from '../../pipeline.ts';
import { fieldIn, fieldsOf } from './fields.ts';
import type { AskedForm, Question } from './question.ts';
import { WrittenReply } from './written-reply.ts';

/** The sections that say how it arrives. */
interface ListenerSections {
  readonly listeners: {
    readonly public: { readonly tls?: object | undefined; readonly limits: HeadLimits };
    readonly authorizer?: { readonly peers: readonly string[] } | undefined;
    readonly grpcAuthorizer?: { readonly peers: readonly string[] } | undefined;
  };
}

/** A request as it arrives. */
interface Arriving {
  readonly method: string;
  readonly target: string;
  /** Flat name, value list. */
  readonly headers: readonly string[];
  /** Address of the peer. */
  readonly peer: string;
}

/** What the first listed proxy asks about a request. */
function asAsked(
  form: AskedForm,
  { method, target, hostHeader, from }: Question,
  sent: readonly string[],
  config: ListenerSections,
): Arriving {
  const isGrpc = form === GRPC_FORM;
  const peer = config.listeners[isGrpc ? 'grpcAuthorizer' : 'authorizer']?.peers[0]?.split('/', 1)[0] ?? from;
  const forClient = [...sent.slice(2), 'X-Forwarded-For', from];
  const path = FORM_PATHS[isGrpc ? 'ext-authz' : form];
  if (isGrpc || form === 'ext-authz')
    return { method, target: `${path}${target}`, headers: ['Host', hostHeader, ...forClient], peer };
  const described =
    form === 'forward-auth'
      ? ['X-Forwarded-Method', method, 'X-Forwarded-Host', hostHeader, 'X-Forwarded-Uri', target]
      : ['X-Original-Method', method, 'X-Original-URL', `https://${hostHeader}${target}`];
  return { method: 'GET', target: path, headers: ['Host', 'authorizer', ...described, ...forClient], peer };
}

/** Headers that say to HTTP/1.1 what `:protocol` says to HTTP/2 (RFC 8441 §4). */
const HANDSHAKE = new Set(['connection', 'upgrade', 'sec-websocket-key']);

/** The head of the request as the listener of HTTP/2 reads it. */
function overHttp2(
  { method, target, hostHeader }: Question,
  sent: readonly string[],
  isSecure: boolean,
  limits: HeadLimits,
) {
  const isHandshake = fieldIn(sent, 'upgrade') !== null;
  const fields = [':method', isHandshake ? 'CONNECT' : method, ':scheme', isSecure ? 'https' : 'http'];
  if (isHandshake) fields.push(':protocol', 'websocket');
  fields.push(':path', target, ':authority', hostHeader);
  for (const { name, value } of fieldsOf(sent.slice(2)))
    if (!isHandshake || !HANDSHAKE.has(name.toLowerCase())) fields.push(name.toLowerCase(), value);
  return readHead(fields, isSecure, false, limits);
}

/** A request that has arrived. */
interface Arrival {
  readonly exchange: Exchange;
  /** Why its listener refuses it; `null` when it does not. */
  readonly denial: Denial | null;
}

/**
 * Makes the exchange of the request, or of a proxy's question about it.
 *
 * @param sent  headers of the client, the first of which is Host: flat name, value list
 */
export function arrivingExchange(
  question: Question,
  sent: readonly string[],
  config: ListenerSections,
  clocks: Clocks,
  { series }: Pipeline,
): Arrival {
  const { askedAs, isOutbound, isOverHttp2 } = question;
  const {
    method,
    target,
    headers,
    peer: address,
  } = askedAs === null ? { ...question, headers: sent, peer: question.from } : asAsked(askedAs, question, sent, config);
  const peer = {
    address,
    secure: !isOutbound && askedAs === null && config.listeners.public.tls !== undefined,
    serverName: null,
  };
  const nothing = () => {};
  const unread = () => ({ mediaType: 'text/html', body: '', headers: [] });
  const handler = {
    unmatched: series.unmatched,
    begun: nothing,
    handle: nothing,
    refuse: nothing,
    unread,
    finished: nothing,
  };
  const listener = { name: 'explain', logText: '', handler, finished: nothing };
  // A call of gRPC comes over HTTP/2.
  const httpVersion = askedAs === null && isGrpcType(fieldIn(headers, 'content-type')) ? '2' : '1.1';
  const reply = new WrittenReply(fieldIn(headers, 'upgrade') !== null);
  const head = isOverHttp2
    ? overHttp2(question, sent, peer.secure, config.listeners.public.limits)
    : { method, url: target, httpVersion, rawHeaders: headers, denial: null };
  return { exchange: new Exchange(listener, reply, head, peer, clocks.monotonicMs()), denial: head.denial };
}
