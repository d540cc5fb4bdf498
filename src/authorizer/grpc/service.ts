/**
 * The gRPC services of the authorizer's own listener: `envoy.service.auth.v3.Authorization`, health, and reflection if it is turned
 * on. Loaded only if the listener is configured, because reading the protos takes 40 ms.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type ConnectionInjector,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import protobuf from 'protobufjs';
import type { CheckRequest } from './check-request.ts';
import type { CheckResponse } from './reply.ts';

/** Answers one question. */
export type Check = handleUnaryCall<CheckRequest, CheckResponse>;

/** What one client may cost, beyond its connection. */
export interface ServiceLimits {
  /** A larger question is answered with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
  /** A connection without calls is closed after this. */
  readonly idleTimeoutMs: number;
}

const SERVICE = 'envoy.service.auth.v3.Authorization';
const PROTO = 'envoy/service/auth/v3/external_auth.proto';
/** What is read of a question. Other fields of these messages are passed over without being decoded. */
const READ_FIELDS: Readonly<Record<string, readonly string[]>> = {
  'envoy.service.auth.v3.AttributeContext': ['source', 'request'],
  'envoy.service.auth.v3.AttributeContext.Peer': ['address'],
  'envoy.service.auth.v3.AttributeContext.Request': ['http'],
  'envoy.service.auth.v3.AttributeContext.HttpRequest': [
    ...['method', 'path', 'host', 'scheme', 'query', 'fragment', 'headers', 'headerMap'],
  ],
  'envoy.config.core.v3.SocketAddress': ['address'],
};
/** The definitions as they are published; see `protos/README.md`. */
const PROTOS = fileURLToPath(new URL('protos/', import.meta.url));

/** Calls at the same time on one connection; a client that needs more waits or opens another one. */
const MAX_STREAMS = 1_000;
/** What one connection may hold in memory, in MB as Node counts it. More calls on it are refused then. */
const MAX_SESSION_MEMORY = 64;
/** A server that gets its connections from a listener. */
export class CheckService {
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #health = new HealthImplementation({ '': 'SERVING', [SERVICE]: 'SERVING' });

  private constructor(check: Check, { maxMessageBytes, idleTimeoutMs }: ServiceLimits) {
    this.#server = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_concurrent_streams': MAX_STREAMS,
      'grpc.max_connection_idle_ms': idleTimeoutMs,
      'grpc-node.max_session_memory': MAX_SESSION_MEMORY,
    });
    this.#server.addService({ Check: checkMethod() }, { Check: check });
    this.#health.addToServer(this.#server);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Creates a service, which answers calls on the connections passed to it. */
  static async open(check: Check, limits: ServiceLimits, withReflection: boolean): Promise<CheckService> {
    const service = new CheckService(check, limits);
    if (withReflection) {
      const { ReflectionService } = await import('@grpc/reflection');
      const described = { [SERVICE]: { fileDescriptorProtos: readDescriptors() } } as unknown as ConstructorParameters<
        typeof ReflectionService
      >[0];
      new ReflectionService(described).addToServer(service.#server);
    }
    return service;
  }

  /** Takes a connection, after its TLS handshake if it has one. */
  serve(connection: Parameters<ConnectionInjector['injectConnection']>[0]): void {
    this.#injector.injectConnection(connection);
  }

  /** Announces the shutdown to health checks, so that clients go elsewhere in time. */
  announceEnd(): void {
    for (const name of ['', SERVICE]) this.#health.setStatus(name, 'NOT_SERVING');
  }

  /**
   * Takes no more calls, tells every client which call was the last (RFC 9113 §6.8), and closes each connection once its calls are
   * answered.
   */
  end(): void {
    this.#injector.destroy();
  }
}

/**
 * The files of both services as `protoc` compiles them (`google.protobuf.FileDescriptorSet`): tools refuse what the library makes
 * of the text, in which types have relative names and maps entries of another name.
 */
function readDescriptors(): readonly Uint8Array[] {
  const reader = protobuf.Reader.create(readFileSync(`${PROTOS}services.binpb`));
  const files: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    // Field 1, the only one, is length-delimited.
    reader.uint32();
    files.push(reader.bytes());
  }
  return files;
}

/**
 * The method. Messages are as the library decodes them: turning each into a plain object and back, as `@grpc/proto-loader`
 * does, costs as much as decoding it.
 */
function checkMethod(): MethodDefinition<CheckRequest, CheckResponse> {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, path) => (path.startsWith('google/protobuf/') ? path : `${PROTOS}${path}`);
  root.loadSync(PROTO);
  for (const [name, read] of Object.entries(READ_FIELDS)) {
    const type = root.lookupType(name);
    for (const field of Object.values(type.fields)) if (!read.includes(field.name)) type.remove(field);
  }
  const [request, response] = ['CheckRequest', 'CheckResponse'].map((name) =>
    root.lookupType(`envoy.service.auth.v3.${name}`),
  ) as [protobuf.Type, protobuf.Type];
  return {
    path: `/${SERVICE}/Check`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => request.encode(message).finish() as Buffer,
    requestDeserialize: (bytes) => request.decode(bytes) as CheckRequest,
    responseSerialize: (message) => response.encode(message).finish() as Buffer,
    responseDeserialize: (bytes) => response.decode(bytes) as unknown as CheckResponse,
  };
}
