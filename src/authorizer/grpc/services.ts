/**
 * grpc: the services of the authorizer's own listener: `envoy.service.auth.v3.Authorization`, health, and reflection if it is turned
 * on.
 *
 * In: `CheckRequest` messages, one exchange for each. Out: one `CheckResponse` for each, including 503; a call fails only if its
 * message is too large or unreadable, arrives after the shutdown, or was cancelled by the proxy.
 *
 * A question that could not be an HTTP request never becomes an exchange: it is refused as an HTTP parser would refuse it, and logged
 * in the same way.
 */

import { Denial, REASONS } from '../../errors.ts';
import { Exchange } from '../../exchange.ts';
import { randomHex } from '../../lib/crypto/random-hex.ts';
import type { GrpcCall, GrpcMethod } from '../../listener/grpc/call.ts';
import type { GrpcServices } from '../../listener/grpc/server.ts';
import type { Listener } from '../../listener/listener.ts';
import { type CheckRequest, type HeaderLimits, questionOf } from './check-request.ts';
import { loadCodec, UNREADABLE } from './codec.ts';
import { HealthService } from './health.ts';
import { CheckReply, type CheckResponse } from './reply.ts';

const SERVICE = 'envoy.service.auth.v3.Authorization';
const PROTO = 'envoy/service/auth/v3/external_auth.proto';
const READ_FIELDS: Readonly<Record<string, readonly string[]>> = {
  'envoy.service.auth.v3.AttributeContext': ['source', 'request'],
  'envoy.service.auth.v3.AttributeContext.Peer': ['address'],
  'envoy.service.auth.v3.AttributeContext.Request': ['http'],
  'envoy.service.auth.v3.AttributeContext.HttpRequest': [
    ...['method', 'path', 'host', 'scheme', 'query', 'fragment', 'headers', 'headerMap'],
  ],
  'envoy.config.core.v3.SocketAddress': ['address'],
};

/**
 * Makes the services.
 *
 * @param listener  its exchanges are the questions
 * @param limits    on the headers of described requests
 */
export async function openServices(
  listener: Listener,
  limits: HeaderLimits,
  withReflection: boolean,
): Promise<GrpcServices> {
  const health = new HealthService(['', SERVICE]);
  const reflection = withReflection ? (await import('./reflection.ts')).reflectionMethods() : [];
  return {
    methods: new Map([[`/${SERVICE}/Check`, checkMethod(listener, limits)], ...health.methods, ...reflection]),
    announceEnd: () => health.announceEnd(),
    end: () => health.end(),
  };
}

/** Answers every question, once, with a response and never with a failure of the call. */
function checkMethod(listener: Listener, limits: HeaderLimits): GrpcMethod {
  const { decode, encode } = loadCodec<CheckRequest, CheckResponse>(
    PROTO,
    ['envoy.service.auth.v3.CheckRequest', 'envoy.service.auth.v3.CheckResponse'],
    READ_FIELDS,
  );
  const take = (message: Buffer, call: GrpcCall): void => {
    const request = decode(message);
    if (request === null) {
      call.end(UNREADABLE);
      return;
    }
    const question = questionOf(request, limits);
    if (question instanceof Denial) {
      refuseQuestion(listener, question, call.address, new CheckReply(call, encode, false));
      return;
    }
    const reply = new CheckReply(call, encode, question.isUpgrade);
    // What concerns the connection of a client is not about this one, which is the proxy's.
    const peer = { address: call.address, secure: false, serverName: null };
    const exchange = new Exchange(listener, reply, question, peer, call.startedMs);
    reply.exchange = exchange;
    call.work = reply;
    listener.accept(exchange);
  };
  return { messages: 'one', take };
}

function refuseQuestion(listener: Listener, { reason, note }: Denial, client: string, reply: CheckReply): void {
  const id = randomHex(32);
  listener.recordRefusal({ id, reason, note: note ?? '', client });
  reply.exchange = { id, reason, route: null, clientLeft: nothing, finish: nothing };
  const { mediaType, body } = listener.handler.unread(reason, id, false);
  reply.begin(REASONS[reason].status, [
    ...['Content-Type', mediaType, 'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff'],
    ...['X-Request-Id', id],
  ]);
  reply.end(body);
}

const nothing = () => {};
