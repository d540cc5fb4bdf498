/** An OpenTelemetry collector: receives spans by OTLP over HTTP, as protobuf, and keeps them. */

import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';

/** The part of opentelemetry-proto 1.x that the tests read. */
const PROTO = `syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message Scope { string name = 1; string version = 2; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  repeated Event events = 11; repeated Link links = 13; Status status = 15; fixed32 flags = 16;
}
message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
message Link { bytes trace_id = 1; bytes span_id = 2; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; Value value = 2; }
message Value { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
`;

const REQUEST = protobuf.parse(PROTO).root.lookupType('Request');
const KINDS = ['', 'internal', 'server', 'client'];

interface Written {
  readonly [field: string]: unknown;
}

type Attributes = Readonly<Record<string, unknown>>;

/** A received span. Times are nanoseconds since the epoch. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the root span of a trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Attributes;
  readonly events: readonly string[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
  readonly resource: Attributes;
}

/** A collector on a free port. */
export class TestCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  readonly requests: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
  /** Everything received, undecoded. */
  bytes = '';
  /** The status of its answers; 0: no answer at all. */
  status = 200;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        this.requests.push({ url: request.url ?? '', headers: request.headers });
        this.bytes += body.toString('latin1');
        if (this.status === 200) this.spans.push(...decoded(body));
        if (this.status !== 0) response.writeHead(this.status, { 'Content-Type': 'application/x-protobuf' }).end();
      });
    });
  }

  static start(): Promise<TestCollector> {
    const collector = new TestCollector(createServer());
    return new Promise((resolve) => collector.#server.listen(0, '127.0.0.1', () => resolve(collector)));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/traces`;
  }

  /** The only span of this kind, or with this name. */
  span(what: string): CollectedSpan {
    const [span, ...others] = this.spans.filter(({ kind, name }) => kind === what || name === what);
    if (span === undefined || others.length > 0) throw new Error(`not one span ${what}: ${this.#summary()}`);
    return span;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #summary(): string {
    return this.spans.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  }
}

function decoded(body: Buffer): CollectedSpan[] {
  const request = REQUEST.toObject(REQUEST.decode(body), { arrays: true, longs: String, bytes: Buffer }) as Written;
  return listOf(request['resourceSpans']).flatMap((each) =>
    listOf(each['scopeSpans']).flatMap(({ spans }) =>
      listOf(spans).map((span) => spanOf(span, attributesOf((each['resource'] as Written)['attributes']))),
    ),
  );
}

const listOf = (value: unknown) => value as readonly Written[];
const hex = (value: unknown) => Buffer.from((value as Buffer | undefined) ?? []).toString('hex');

function spanOf(span: Written, resource: Attributes): CollectedSpan {
  return {
    traceId: hex(span['traceId']),
    spanId: hex(span['spanId']),
    parentSpanId: hex(span['parentSpanId']),
    traceState: String(span['traceState'] ?? ''),
    name: String(span['name']),
    kind: KINDS[Number(span['kind'])] ?? '',
    startNs: BigInt(String(span['startTimeUnixNano'])),
    endNs: BigInt(String(span['endTimeUnixNano'])),
    attributes: attributesOf(span['attributes']),
    events: listOf(span['events']).map(({ name }) => String(name)),
    links: listOf(span['links']).map((link) => ({ traceId: hex(link['traceId']), spanId: hex(link['spanId']) })),
    isError: (span['status'] as Written | undefined)?.['code'] === 2,
    resource,
  };
}

function attributesOf(list: unknown): Attributes {
  return Object.fromEntries(
    listOf(list).map(({ key, value }) => {
      const [written] = Object.entries(value as Written);
      return [String(key), written?.[0] === 'intValue' ? Number(written[1]) : written?.[1]];
    }),
  );
}
