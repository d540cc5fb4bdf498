/** The interfaces between a forward and the connections to a server, for every version of HTTP. */

import type { Duplex } from 'node:stream';
import type { RequestBody } from './request-body.ts';

/**
 * Headers or trailers of an answer: lower-case names, and a list for any name that came more than once. Node's own type
 * differs: in it, names that it keeps only once are never lists.
 */
export type ReceivedFields = Record<string, string | string[] | undefined>;

/** Its instances inherit nothing, and unlike those of `Object.create(null)` are fast. */
const Fields = function Fields() {} as unknown as new () => ReceivedFields;
Fields.prototype = Object.freeze(Object.create(null));

/** Headers or trailers that lines can be added to. */
export const noFields = (): ReceivedFields => new Fields();

/** Adds a line. */
export function addField(fields: ReceivedFields, name: string, value: string): void {
  const present = fields[name];
  if (present === undefined) fields[name] = value;
  else if (typeof present === 'string') fields[name] = [present, value];
  else present.push(value);
}

/** A request for a server. Times in milliseconds. */
export interface ServerRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /**
   * Flat name, value list; the first is Host. Without headers about one connection only, and without the length of the
   * body.
   */
  readonly headers: readonly string[];
  readonly body: RequestBody | null;
  /** Of the body, in bytes; `null` if the client has not stated it. */
  readonly bodyLength: number | null;
  /** Whether it asks for a WebSocket, with the handshake of HTTP/1.1. */
  readonly isUpgrade: boolean;
  /** Whether the client takes trailers, which `TE: trailers` tells the server. */
  readonly takesTrailers: boolean;
  /** Whether either side of a gRPC call may be silent while the other sends; HTTP/2 only. */
  readonly isDuplex: boolean;
  /** Until the head of the answer; 0: none. */
  readonly firstByteTimeoutMs: number;
  /** Between two parts of the answer; 0: none. */
  readonly idleTimeoutMs: number;
  /** Until the server has taken the rest of a complete request; HTTP/2 only. */
  readonly takeTimeoutMs: number;
}

/** The handler's control over a request that is under way. */
export interface RequestController {
  /** Ends it with {@link RequestHandler.onResponseError}. Does nothing once it is over. */
  abort(reason: Error): void;
  /** No more of the answer is read. What has been read already is still delivered. */
  pause(): void;
  /** Undoes {@link pause}. Does nothing once the request is over. */
  resume(): void;
}

/** Callbacks for the progress of a request, in this order. An error can come at any time and is the last call. */
export interface RequestHandler {
  /**
   * A connection is ready, and the request is about to be sent. An exception fails the request and leaves the connection
   * usable.
   *
   * @param isKept  whether the connection has carried a request before
   */
  onRequestStart(controller: RequestController, isKept: boolean): void;
  /** The whole request has been handed to the connection. */
  onRequestSent(): void;
  /** The first byte of an answer has come. */
  onResponseStarted(): void;
  /** The head of an answer: any number of interim ones and the final one. */
  onResponseStart(controller: RequestController, status: number, received: ReceivedFields): void;
  /** In place of the final head: the connection has left HTTP. */
  onRequestUpgrade(received: ReceivedFields, connection: Duplex): void;
  onResponseData(controller: RequestController, part: Buffer): void;
  /** @param trailers  not screened */
  onResponseEnd(trailers: ReceivedFields): void;
  onResponseError(error: Error): void;
}

/** A connection of a pool, as far as it is counted. */
export interface CountedConnection {
  /** Whether it is open. */
  readonly isReady: boolean;
  /** Whether it carries a request. */
  readonly isBusy: boolean;
}
