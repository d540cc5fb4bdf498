/**
 * Reflection (`grpc.reflection.v1.ServerReflection`), by which tools such as grpcurl find services and their messages.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 */

import { readFileSync } from 'node:fs';
import descriptor, { type IDescriptorProto, type IFileDescriptorProto } from 'protobufjs/ext/descriptor/index.js';
import { GRPC_STATUS } from '../../lib/http/grpc.ts';
import type { GrpcMethod } from '../../listener/grpc/call.ts';
import { loadCodec, PROTOS, UNREADABLE } from './codec.ts';

const PROTO = 'grpc/reflection/v1/reflection.proto';
/** Clients ask for the newest first. Both have the same messages. */
const VERSIONS = ['v1', 'v1alpha'];

interface ReflectionRequest {
  readonly messageRequest?: string;
  readonly host: string;
  readonly fileByFilename: string;
  readonly fileContainingSymbol: string;
  readonly fileContainingExtension: { readonly containingType: string; readonly extensionNumber: number } | null;
  readonly allExtensionNumbersOfType: string;
}

/** A file as `protoc` compiles it. */
interface ProtoFile {
  readonly bytes: Uint8Array;
  readonly dependencies: readonly string[];
}

/** What the files of all services declare. */
class Declarations {
  /** Names of services. */
  readonly services: string[] = [];
  readonly #files = new Map<string, ProtoFile>();
  /** Name of the file by that of what it declares. */
  readonly #symbols = new Map<string, string>();
  /** Name of the file by the number of an extension, by the message that it extends. */
  readonly #extensions = new Map<string, Map<number, string>>();

  /** @param set  `google.protobuf.FileDescriptorSet`, encoded */
  constructor(set: Uint8Array) {
    const { file: files } = descriptor.FileDescriptorSet.decode(set) as unknown as { file: IFileDescriptorProto[] };
    for (const file of files) this.#add(file);
  }

  /** A file and everything that it imports. */
  withImports(name: string | undefined, found = new Map<string, Uint8Array>()): Uint8Array[] {
    const file = name === undefined || found.has(name) ? undefined : this.#files.get(name);
    if (name === undefined || file === undefined) return [...found.values()];
    found.set(name, file.bytes);
    for (const dependency of file.dependencies) this.withImports(dependency, found);
    return [...found.values()];
  }

  /** Name of the file that declares something. */
  fileOf(symbol: string): string | undefined {
    return this.#symbols.get(symbol);
  }

  /** Files by the numbers of the extensions of a message. */
  extensionsOf(type: string): ReadonlyMap<number, string> {
    return this.#extensions.get(type) ?? new Map();
  }

  #add(file: IFileDescriptorProto): void {
    const { name = '', package: scope = '', dependency: dependencies, service: services = [], extension = [] } = file;
    const bytes = descriptor.FileDescriptorProto.encode(file).finish();
    this.#files.set(name, { bytes, dependencies });
    this.#declare(name, scope, file);
    for (const service of services) {
      const path = `${scope}.${service.name}`;
      this.services.push(path);
      this.#symbols.set(path, name);
      for (const method of service.method ?? []) this.#symbols.set(`${path}.${method.name}`, name);
    }
    for (const { extendee = '', number = 0 } of extension) {
      const type = extendee.replace(/^\./, '');
      this.#extensions.set(type, (this.#extensions.get(type) ?? new Map<number, string>()).set(number, name));
    }
  }

  /** Messages and enumerations, and what is within them. */
  #declare(
    file: string,
    scope: string,
    { messageType, nestedType, enumType }: IFileDescriptorProto & IDescriptorProto,
  ): void {
    for (const type of [...(messageType ?? []), ...(nestedType ?? [])]) {
      this.#symbols.set(`${scope}.${type.name}`, file);
      this.#declare(file, `${scope}.${type.name}`, type);
    }
    for (const type of enumType ?? []) this.#symbols.set(`${scope}.${type.name}`, file);
  }
}

/** The methods of the service. */
export function reflectionMethods(): readonly (readonly [path: string, method: GrpcMethod])[] {
  const codec = loadCodec<ReflectionRequest, object>(PROTO, [
    'grpc.reflection.v1.ServerReflectionRequest',
    'grpc.reflection.v1.ServerReflectionResponse',
  ]);
  const declarations = new Declarations(readFileSync(`${PROTOS}services.binpb`));
  const method: GrpcMethod = {
    messages: 'many',
    take: (message, call) => {
      const request = codec.decode(message);
      if (request === null) return call.end(UNREADABLE);
      const found = answerOf(declarations, request);
      call.send(codec.encode({ validHost: request.host, originalRequest: request, ...(found ?? NOT_FOUND) }));
    },
  };
  return VERSIONS.map((version) => [`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, method]);
}

const NOT_FOUND = { errorResponse: { errorCode: GRPC_STATUS.notFound, errorMessage: 'not found' } };

/** The part of an answer that differs by what is asked; `null`: there is none. */
function answerOf(declarations: Declarations, request: ReflectionRequest): object | null {
  switch (request.messageRequest) {
    case 'listServices':
      return { listServicesResponse: { service: declarations.services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return filesOf(declarations, request.fileByFilename);
    case 'fileContainingSymbol':
      return filesOf(declarations, declarations.fileOf(request.fileContainingSymbol));
    case 'fileContainingExtension': {
      const { containingType = '', extensionNumber = 0 } = request.fileContainingExtension ?? {};
      return filesOf(declarations, declarations.extensionsOf(containingType).get(extensionNumber));
    }
    case 'allExtensionNumbersOfType': {
      const baseTypeName = request.allExtensionNumbersOfType;
      const extensionNumber = [...declarations.extensionsOf(baseTypeName).keys()];
      return extensionNumber.length === 0 ? null : { allExtensionNumbersResponse: { baseTypeName, extensionNumber } };
    }
    default:
      return { errorResponse: { errorCode: GRPC_STATUS.unimplemented, errorMessage: 'unknown kind of request' } };
  }
}

function filesOf(declarations: Declarations, name: string | undefined): object | null {
  const files = declarations.withImports(name);
  return files.length === 0 ? null : { fileDescriptorResponse: { fileDescriptorProto: files } };
}
