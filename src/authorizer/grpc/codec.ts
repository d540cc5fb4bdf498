/** Reads and writes messages of the services, by their published protos (`protos/README.md`). Loading them takes 40 ms. */

import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/google/protobuf/descriptor.json' with { type: 'json' };
import { GRPC_STATUS } from '../../lib/http/grpc.ts';
import type { CallFailure } from '../../listener/grpc/messages.ts';

/** Where the protos are. */
export const PROTOS: string = fileURLToPath(new URL('protos/', import.meta.url));

// What options of the protos extend; the library knows the other files of `google/protobuf/` by itself.
protobuf.common('descriptor', descriptor.nested.google.nested.protobuf.nested);

/** Bytes that are not a message of the expected type. */
export const UNREADABLE: CallFailure = { status: GRPC_STATUS.internal, message: 'the message cannot be read' };

/** The fields of some messages that are read, by message. Their other fields are skipped. */
export type ReadFields = Readonly<Record<string, readonly string[]>>;

/** The messages of one method. */
export interface Codec<Request, Response> {
  /** Reads a message; `null`: it is malformed. */
  decode(bytes: Uint8Array): Request | null;
  encode(response: Response): Uint8Array;
}

/**
 * The messages of a method. They are as the library decodes them, without defaults: turning each into a plain object and back, as
 * `@grpc/proto-loader` does, costs as much as decoding it.
 *
 * @param proto  path of its file below {@link PROTOS}
 * @param names  of both messages, with their package
 */
export function loadCodec<Request, Response>(
  proto: string,
  names: readonly [request: string, response: string],
  readFields: ReadFields = {},
): Codec<Request, Response> {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, path) => (path.startsWith('google/protobuf/') ? path : `${PROTOS}${path}`);
  root.loadSync(proto);
  for (const [name, read] of Object.entries(readFields)) {
    const type = root.lookupType(name);
    for (const field of Object.values(type.fields)) if (!read.includes(field.name)) type.remove(field);
  }
  const [request, response] = names.map((name) => root.lookupType(name)) as [protobuf.Type, protobuf.Type];
  return {
    decode: (bytes) => {
      try {
        return request.decode(bytes) as Request;
      } catch {
        return null;
      }
    },
    encode: (message) => response.encode(message as object).finish(),
  };
}
