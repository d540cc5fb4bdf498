/**
 * A gRPC service and clients for it, with the library that Node programs use. Messages are plain bytes, so no schema is
 * needed.
 */

import type { EventEmitter } from 'node:events';
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  type Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

const asIs = (bytes: Buffer): Buffer => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});

/** One method of each kind. */
const ECHO = {
  unary: method('Unary', false, false),
  serverStream: method('ServerStream', false, true),
  clientStream: method('ClientStream', true, false),
  duplex: method('Duplex', true, true),
} satisfies ServiceDefinition;

type Callback = (error: ServiceError | null, answer?: Buffer) => void;

export interface EchoClient extends Client {
  unary(message: Buffer, metadata: Metadata, options: { deadline?: number }, callback: Callback): ClientUnaryCall;
  serverStream(message: Buffer, metadata?: Metadata, options?: { deadline?: number }): ClientReadableStream<Buffer>;
  clientStream(metadata: Metadata, options: { deadline?: number }, callback: Callback): ClientWritableStream<Buffer>;
  duplex(metadata?: Metadata, options?: { deadline?: number }): ClientDuplexStream<Buffer, Buffer>;
}

const EchoConstructor = makeGenericClientConstructor(ECHO, 'test.Echo');

/**
 * A client.
 *
 * @param authority  the host of its requests
 * @param ca         PEM of the CA that it trusts; without it, there is no TLS
 */
export const echoClient = (port: number, authority: string, ca?: string): EchoClient =>
  new EchoConstructor(
    `127.0.0.1:${port}`,
    ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca)),
    {
      'grpc.default_authority': authority,
      ...(ca !== undefined && { 'grpc.ssl_target_name_override': authority }),
      'grpc.enable_retries': 0,
    },
  ) as unknown as EchoClient;

/** A gRPC server. */
export class GrpcServer implements AsyncDisposable {
  readonly #server: Server;
  readonly port: number;

  readonly #scheme: string;

  private constructor(server: Server, port: number, scheme: string) {
    this.#server = server;
    this.port = port;
    this.#scheme = scheme;
  }

  /** @param tls  PEM of its certificate and key; without it, there is no TLS */
  static start(
    implementation: UntypedServiceImplementation,
    tls?: { readonly certificate: string; readonly key: string },
  ): Promise<GrpcServer> {
    const server = new Server();
    server.addService(ECHO, implementation);
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', serverCredentials(tls), (error, port) => {
        if (error === null) resolve(new GrpcServer(server, port, tls === undefined ? 'h2c' : 'https'));
        else reject(error);
      });
    });
  }

  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

const serverCredentials = (tls?: { readonly certificate: string; readonly key: string }): ServerCredentials =>
  tls === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [
        { cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.key) },
      ]);

/** How a call ended. */
export interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly trailers: Metadata;
}

/** Waits for the end of a call, whatever its outcome. */
export const outcomeOf = (call: EventEmitter): Promise<Outcome> =>
  new Promise((resolve) => {
    call.on('status', ({ code, details, metadata }: { code: number; details: string; metadata: Metadata }) =>
      resolve({ code, details, trailers: metadata }),
    );
    call.on('error', () => {});
  });
