/** Asks over gRPC as Envoy does: a real client, built from the published protos. */

import { join } from 'node:path';
import { type ChannelCredentials, Client, type ClientUnaryCall, credentials, type ServiceError } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';

/** The protos that the gateway serves. */
export const PROTOS: string = join(import.meta.dirname, '../../../src/authorizer/grpc/protos');
const definition = loadSync('envoy/service/auth/v3/external_auth.proto', {
  includeDirs: [PROTOS],
  defaults: true,
  oneofs: true,
});
const CHECK = (
  definition['envoy.service.auth.v3.Authorization'] as unknown as Record<'Check', MethodDefinition<object, Response>>
).Check;

interface Option {
  readonly header: { readonly key: string; readonly value: string };
  /** `HeaderAppendAction`. */
  readonly appendAction: number;
}

/** A CheckResponse with every default. */
export interface Response {
  readonly status: { readonly code: number; readonly message: string };
  readonly httpResponse?: 'okResponse' | 'deniedResponse' | 'errorResponse';
  readonly okResponse?: {
    readonly headers: readonly Option[];
    readonly headersToRemove: readonly string[];
    readonly responseHeadersToAdd: readonly Option[];
  };
  readonly deniedResponse?: {
    readonly status: { readonly code: number };
    readonly headers: readonly Option[];
    readonly body: string;
  };
  readonly dynamicMetadata: { readonly fields: Readonly<Record<string, { readonly stringValue: string }>> } | null;
}

/** Envoy's description of a request. */
export interface Attributes {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly scheme?: string;
  readonly query?: string;
  readonly fragment?: string;
  readonly protocol?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly headerMap?: { readonly headers: readonly { key: string; value?: string; rawValue?: Buffer }[] };
  readonly body?: string;
}

/**
 * Envoy's description of a request without `encode_raw_headers`: pseudo-headers among the others, lower-case names,
 * lines of one name joined with commas, and bytes that are not UTF-8 replaced by `!`.
 *
 * @param lines  header lines of the client
 */
export function attributesOf(
  lines: readonly string[] = [],
  { method = 'GET', path = '/orders?a=1', host = 'shop.example.com', scheme = 'https', ...others }: Attributes = {},
): Attributes {
  const headers: Record<string, string> = {
    ...{ ':authority': host, ':path': path, ':method': method, ':scheme': scheme, 'x-forwarded-proto': scheme },
  };
  for (const line of lines) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`;
  }
  return { method, path, host, scheme, protocol: 'HTTP/1.1', headers, ...others };
}

export class CheckClient implements Disposable {
  /** Serializes and parses its messages. */
  static readonly method = CHECK;
  readonly #client: Client;

  constructor(port: number, secure: ChannelCredentials = credentials.createInsecure(), host = '127.0.0.1') {
    this.#client = new Client(`${host}:${port}`, secure, { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** Asks about a request. Rejects with a ServiceError when the call itself fails. */
  ask(http: Attributes | null, options: AskOptions = {}): Promise<Response> {
    return this.send({ attributes: { source: sourceOf(options.from), request: { http } } }, options);
  }

  /** Sends any CheckRequest. */
  send(request: object, { deadlineMs, onCall }: AskOptions = {}): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        CHECK.path,
        CHECK.requestSerialize,
        CHECK.responseDeserialize,
        request,
        deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null, response?: Response) =>
          error === null ? resolve(response as Response) : reject(error),
      );
      onCall?.(call);
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

interface AskOptions {
  /** The address of the proxy's client. */
  readonly from?: string;
  readonly deadlineMs?: number;
  readonly onCall?: (call: ClientUnaryCall) => void;
}

const sourceOf = (address: string | undefined) =>
  address === undefined ? null : { address: { socketAddress: { address, portValue: 4711 } } };

const APPEND_IF_EXISTS_OR_ADD = 0;

/** Headers by name, as Envoy would apply them: OVERWRITE replaces, APPEND adds. */
export function headersOf(options: readonly Option[] = []): Map<string, string[]> {
  const headers = new Map<string, string[]>();
  for (const { header, appendAction } of options) {
    const before = appendAction === APPEND_IF_EXISTS_OR_ADD ? (headers.get(header.key) ?? []) : [];
    headers.set(header.key, [...before, header.value]);
  }
  return headers;
}

export const metadataOf = ({ dynamicMetadata }: Response): Record<string, string> =>
  Object.fromEntries(
    Object.entries(dynamicMetadata?.fields ?? {}).map(([name, { stringValue }]) => [name, stringValue]),
  );
