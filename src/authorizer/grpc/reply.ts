/**
 * The answer to a question over gRPC: a `CheckResponse`, which allows only when the outlet says so with {@link
 * CheckReply.allow}. Everything else that the pipeline sends, and every fault on the way, becomes a denial with the status, headers and
 * body that the client would have got from the gateway itself. `error_response` is never used: with `failure_mode_allow`, Envoy lets a
 * request pass after one.
 */

import { isUtf8 } from 'node:buffer';
import { type Duplex, Readable } from 'node:stream';
import type { Reason } from '../../errors.ts';
import type { Reply } from '../../exchange.ts';
import { GRPC_STATUS } from '../../lib/http/grpc.ts';

/** `envoy.config.core.v3.HeaderValueOption`. */
interface HeaderValueOption {
  readonly header: { readonly key: string; readonly value: string };
  readonly appendAction: number;
}

/** `google.protobuf.Struct`, of texts. */
interface TextStruct {
  readonly fields: Readonly<Record<string, { readonly stringValue: string }>>;
}

/** `envoy.service.auth.v3.CheckResponse`, as far as it is written. */
export interface CheckResponse {
  readonly status: { readonly code: number; readonly message?: string };
  readonly okResponse?: {
    readonly headers: readonly HeaderValueOption[];
    readonly headersToRemove: readonly string[];
  };
  readonly deniedResponse?: {
    readonly status: { readonly code: number };
    readonly headers: readonly HeaderValueOption[];
    readonly body: string;
  };
  readonly dynamicMetadata: TextStruct;
}

/** What Envoy must do with a permitted request before it forwards it. */
export interface Allowed {
  /** Flat name, value list; each replaces all copies from the client. */
  readonly headers: readonly string[];
  /** Names of headers to remove. */
  readonly removed: readonly string[];
  /** Name of the subject, where the upstream gets it by name too; `null` elsewhere. */
  readonly subject: string | null;
}

/** `HeaderAppendAction` of `HeaderValueOption`. */
const APPEND = 0;
const OVERWRITE = 2;

/** What the answer is about: an exchange, or a question that never became one. */
interface Answered {
  readonly id: string;
  readonly reason: Reason | null;
  readonly route: { readonly id: string } | null;
  clientLeft(): void;
  finish(): void;
}

/** The call in which a question is asked. */
interface AskingCall {
  /** Sends the response, and ends the call. */
  answer(message: Uint8Array): void;
}

/** Answers one question. */
export class CheckReply implements Reply {
  status = 0;
  readonly isUpgrade: boolean;
  readonly isRequestComplete = true;
  readonly requestTrailers: readonly string[] = [];
  /** Set by the server, before anything is asked of the reply. */
  exchange: Answered | null = null;
  /** `null` once it is answered. */
  #call: AskingCall | null;
  readonly #encode: (response: CheckResponse) => Uint8Array;
  #headers: readonly string[] = [];
  #parts: Buffer[] = [];
  #hasBegun = false;

  constructor(call: AskingCall, encode: (response: CheckResponse) => Uint8Array, isUpgrade: boolean) {
    this.#call = call;
    this.#encode = encode;
    this.isUpgrade = isUpgrade;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The described request has no body that would be read here. */
  get body(): Readable {
    return Readable.from([]);
  }

  /** Lets the request pass. */
  allow({ headers, removed, subject }: Allowed): void {
    this.#hasBegun = true;
    this.status = 200;
    this.#finish({
      status: { code: GRPC_STATUS.ok },
      okResponse: { headers: headerOptions(headers), headersToRemove: removed },
      dynamicMetadata: this.#metadata(subject),
    });
  }

  begin(status: number, headers: readonly string[]): void {
    this.#hasBegun = true;
    this.status = status;
    this.#headers = headers;
  }

  write(part: Buffer): boolean {
    this.#parts.push(part);
    return true;
  }

  end(lastPart?: Buffer | string, encoding: BufferEncoding = 'utf8'): void {
    if (lastPart !== undefined) this.#parts.push(Buffer.from(lastPart as string, encoding));
    // Nothing but `allow` allows: a 2xx that another stage might send is not an answer to a question.
    this.#deny(this.status >= 300 ? this.status : 500);
  }

  cut(): void {
    this.#parts = [];
    this.#headers = [];
    this.#deny(503);
  }

  /** The proxy no longer waits for the answer. */
  cancelled(): void {
    const { exchange } = this;
    this.#letGo();
    exchange?.clientLeft();
    exchange?.finish();
  }

  upgrade(): Duplex {
    throw new TypeError('a question is never upgraded');
  }

  writeContinue(): void {}
  writeEarlyLinks(): void {}
  flushHeaders(): void {}
  once(): void {}
  addTrailers(): void {}
  closeConnection(): void {}
  discardBody(): void {}

  #deny(status: number): void {
    this.#hasBegun = true;
    this.status = status;
    const reason = this.exchange?.reason ?? null;
    this.#finish({
      status: { code: grpcCode(status), message: reason ?? '' },
      deniedResponse: {
        status: { code: status },
        headers: headerOptions(this.#headers, 'content-length'),
        body: Buffer.concat(this.#parts).toString('utf8'),
      },
      dynamicMetadata: this.#metadata(null),
    });
  }

  #finish(response: CheckResponse): void {
    const { exchange } = this;
    const call = this.#call;
    if (call === null) return;
    this.#letGo();
    call.answer(this.#encode(response));
    // The stage that ends an answer still counts its bytes.
    process.nextTick(finish, exchange);
  }

  #letGo(): void {
    this.#call = null;
    this.exchange = null;
  }

  /** For filters and access logs behind this one. Never a credential or a part of one. */
  #metadata(subject: string | null): TextStruct {
    const fields: Record<string, { stringValue: string }> = {};
    const { exchange } = this;
    if (exchange === null) return { fields };
    fields['request_id'] = { stringValue: exchange.id };
    if (exchange.route !== null) fields['route'] = { stringValue: exchange.route.id };
    if (exchange.reason !== null) fields['reason'] = { stringValue: exchange.reason };
    if (subject !== null) fields['subject'] = { stringValue: subject };
    return { fields };
  }
}

const finish = (exchange: Answered | null) => exchange?.finish();

/** The code that a denial carries besides its HTTP status. Envoy only distinguishes 0 from the others. */
function grpcCode(status: number): number {
  if (status >= 500) return GRPC_STATUS.unavailable;
  if (status === 401 || status < 400) return GRPC_STATUS.unauthenticated;
  return status === 400 ? GRPC_STATUS.invalidArgument : GRPC_STATUS.permissionDenied;
}

/** @param without  a header that the proxy writes itself, lower case */
function headerOptions(list: readonly string[], without: string | null = null): HeaderValueOption[] {
  const options: HeaderValueOption[] = [];
  const seen = new Set<string>();
  for (let index = 0; index + 1 < list.length; index += 2) {
    const key = (list[index] as string).toLowerCase();
    if (key === without) continue;
    options.push({
      header: { key, value: asText(list[index + 1] as string) },
      appendAction: seen.has(key) ? APPEND : OVERWRITE,
    });
    seen.add(key);
  }
  return options;
}

const ASCII = /^[\x20-\x7e\t]*$/;

/** A value, each character a byte, as text. Envoy reads no `raw_value`; bytes that are not UTF-8 become `!`, as it writes itself. */
function asText(value: string): string {
  if (ASCII.test(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('utf8').replaceAll('\ufffd', '!');
}
