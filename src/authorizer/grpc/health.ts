/**
 * The health service of gRPC (`grpc.health.v1.Health`), by which clients leave a replica before it ends.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */

import { GRPC_STATUS } from '../../lib/http/grpc.ts';
import type { GrpcCall, GrpcMethod } from '../../listener/grpc/call.ts';
import type { CallFailure } from '../../listener/grpc/messages.ts';
import { loadCodec, UNREADABLE } from './codec.ts';

/** `ServingStatus`. */
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

const PROTO = 'grpc/health/v1/health.proto';
const UNKNOWN: CallFailure = { status: GRPC_STATUS.notFound, message: 'unknown service' };
const ENDING: CallFailure = { status: GRPC_STATUS.unavailable, message: 'the server is shutting down' };

interface HealthRequest {
  readonly service: string;
}

/** The health of some services, all of which serve until their end is announced. */
export class HealthService {
  readonly methods: readonly (readonly [path: string, method: GrpcMethod])[];
  readonly #services: readonly string[];
  readonly #codec = loadCodec<HealthRequest, { readonly status: number }>(PROTO, [
    'grpc.health.v1.HealthCheckRequest',
    'grpc.health.v1.HealthCheckResponse',
  ]);
  readonly #listCodec = loadCodec<object, { readonly statuses: Readonly<Record<string, { readonly status: number }>> }>(
    PROTO,
    ['grpc.health.v1.HealthListRequest', 'grpc.health.v1.HealthListResponse'],
  );
  readonly #watching = new Map<GrpcCall, string>();
  #isEnding = false;

  /** @param services  their names; the whole server has an empty one */
  constructor(services: readonly string[]) {
    this.#services = services;
    const method = (answer: (call: GrpcCall, service: string) => void): GrpcMethod => ({
      messages: 'one',
      take: (message, call) => {
        const request = this.#codec.decode(message);
        if (request === null) call.end(UNREADABLE);
        else answer(call, request.service);
      },
    });
    this.methods = [
      ['/grpc.health.v1.Health/Check', method((call, service) => this.#check(call, service))],
      ['/grpc.health.v1.Health/Watch', method((call, service) => this.#watch(call, service))],
      ['/grpc.health.v1.Health/List', { messages: 'one', take: (_message, call) => this.#list(call) }],
    ];
  }

  /** From now on nothing serves; watchers are notified. */
  announceEnd(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    for (const [call, service] of this.#watching) call.send(this.#statusOf(service));
  }

  /** Ends the calls of watchers. */
  end(): void {
    for (const call of this.#watching.keys()) call.end(ENDING);
    this.#watching.clear();
  }

  #check(call: GrpcCall, service: string): void {
    if (this.#services.includes(service)) call.answer(this.#statusOf(service));
    else call.end(UNKNOWN);
  }

  #watch(call: GrpcCall, service: string): void {
    this.#watching.set(call, service);
    call.work = { cancelled: () => void this.#watching.delete(call) };
    call.send(this.#statusOf(service));
  }

  #list(call: GrpcCall): void {
    const statuses = Object.fromEntries(this.#services.map((service) => [service, { status: this.#known }]));
    call.answer(this.#listCodec.encode({ statuses }));
  }

  get #known(): number {
    return this.#isEnding ? NOT_SERVING : SERVING;
  }

  #statusOf(service: string): Uint8Array {
    return this.#codec.encode({ status: this.#services.includes(service) ? this.#known : SERVICE_UNKNOWN });
  }
}
