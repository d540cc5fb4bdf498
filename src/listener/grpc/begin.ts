/** Begins a call for each request on a connection, or explains why the request is not a call. */

import { REASONS } from '../../errors.ts';
import { randomHex } from '../../lib/crypto/random-hex.ts';
import { GRPC_STATUS, isGrpcType, parseGrpcTimeout } from '../../lib/http/grpc.ts';
import type { BeginRequest } from '../http2/connection.ts';
import type { Http2Reply } from '../http2/reply.ts';
import type { RequestHead } from '../http2/request-head.ts';
import type { Listener } from '../listener.ts';
import { failCall, GrpcCall, type GrpcMethod } from './call.ts';
import type { CallFailure } from './messages.ts';

/** What calls are begun with. */
export interface CallSettings {
  readonly listener: Pick<Listener, 'recordRefusal'>;
  /** By path. */
  readonly methods: ReadonlyMap<string, GrpcMethod>;
  readonly maxMessageBytes: number;
}

const METHOD_NOT_ALLOWED = 405;
const UNSUPPORTED_MEDIA_TYPE = 415;

const NO_METHOD: CallFailure = { status: GRPC_STATUS.unimplemented, message: 'no such method' };
const COMPRESSION: CallFailure = { status: GRPC_STATUS.unimplemented, message: 'compression is not supported' };
const BAD_TIMEOUT: CallFailure = { status: GRPC_STATUS.internal, message: 'grpc-timeout is malformed' };

/** The headers of a call that are read. */
interface CallHeaders {
  contentType: string | null;
  encoding: string | null;
  timeout: string | null;
}

/** Makes what begins the calls of a listener. */
export const callsOn =
  ({ listener, methods, maxMessageBytes }: CallSettings): BeginRequest =>
  (reply, head, { address }, startedMs) => {
    if (head.denial !== null) {
      const { reason, note } = head.denial;
      listener.recordRefusal({ id: randomHex(32), reason, note: note ?? '', client: address });
      refuseRequest(reply, REASONS[reason].status);
      return;
    }
    const { contentType, encoding, timeout } = headersOf(head);
    const method = methods.get(head.url);
    const timeoutMs = timeout === null ? null : parseGrpcTimeout(timeout);
    if (head.method !== 'POST') refuseRequest(reply, METHOD_NOT_ALLOWED, ['allow', 'POST']);
    else if (!isGrpcType(contentType)) refuseRequest(reply, UNSUPPORTED_MEDIA_TYPE);
    else if (method === undefined) failCall(reply, NO_METHOD);
    else if (encoding !== null && encoding !== 'identity')
      failCall(reply, COMPRESSION, [['grpc-accept-encoding', 'identity']]);
    else if (timeout !== null && timeoutMs === null) failCall(reply, BAD_TIMEOUT);
    else {
      const call = new GrpcCall(reply, { method, maxMessageBytes, timeoutMs, startedMs, address });
      reply.carried = call;
      reply.passBody(call);
    }
  };

/** A request that is not a call gets an HTTP status, which gRPC clients map to one of gRPC. */
function refuseRequest(reply: Http2Reply, status: number, headers: string[] = []): void {
  reply.begin(status, ['content-length', '0', ...headers]);
  reply.end();
}

/** A header that is given twice has both values, which nothing accepts. */
function headersOf({ rawHeaders }: RequestHead): CallHeaders {
  const found: CallHeaders = { contentType: null, encoding: null, timeout: null };
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const value = rawHeaders[index + 1] as string;
    switch (rawHeaders[index]) {
      case 'content-type':
        found.contentType = joined(found.contentType, value);
        break;
      case 'grpc-encoding':
        found.encoding = joined(found.encoding, value);
        break;
      case 'grpc-timeout':
        found.timeout = joined(found.timeout, value);
    }
  }
  return found;
}

const joined = (before: string | null, value: string) => (before === null ? value : `${before}, ${value}`);
