/**
 * The outbound side with real surroundings: a gateway, destinations that record every byte, an authorization server,
 * files that are replaced, and the workload as a raw TCP client.
 */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { Clocks } from '../../src/lib/clock.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

type Written = Record<string, unknown>;

export interface OutboundOptions {
  readonly destinations: readonly Written[];
  readonly config?: Written;
  readonly clocks?: Clocks;
  /** In place of `app` and `orders`, both of which are the destination. */
  readonly upstreams?: (orders: string) => Written;
}

export class OutboundStage implements AsyncDisposable {
  readonly gateway: TestGateway;
  /** The destination. */
  readonly orders: RecordingUpstream;

  private constructor(gateway: TestGateway, orders: RecordingUpstream) {
    this.gateway = gateway;
    this.orders = orders;
  }

  /** Starts a gateway whose destinations go to the upstream `orders` unless they say otherwise. */
  static async start({ destinations, config = {}, clocks, upstreams }: OutboundOptions): Promise<OutboundStage> {
    const orders = await RecordingUpstream.start();
    const gateway = await startGateway({
      upstream: orders.origin,
      ...(clocks !== undefined && { clocks }),
      config: {
        upstreams: upstreams?.(orders.origin) ?? {
          app: { endpoints: [orders.origin] },
          orders: { endpoints: [orders.origin] },
        },
        outbound: outboundSection(destinations),
        ...config,
      },
    });
    return new OutboundStage(gateway, orders);
  }

  /** Port of the outbound listener. */
  get port(): number {
    return this.gateway.portOf('outbound');
  }

  /** Calls as the workload would. */
  async call(target: string, ...lines: readonly string[]): Promise<RawResponse & { readonly reason: string | null }> {
    const host = lines.some((line) => /^host:/i.test(line)) ? [] : ['Host: orders.internal'];
    const answer = await rawRequest(this.port, requestHead('GET', target, [...host, ...lines]));
    return Object.assign(answer, { reason: reasonOf(answer) });
  }

  /** The bearer token that the destination received last. */
  get lastToken(): string {
    return (this.orders.last.values('authorization')[0] ?? '').replace(/^Bearer /, '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.orders[Symbol.asyncDispose]();
  }
}

/** The section of the configuration. */
export const outboundSection = (destinations: readonly Written[], more: Written = {}): Written => ({
  address: '127.0.0.1:0',
  workload: 'cart',
  destinations: destinations.map((destination) => ({
    id: 'to-orders',
    match: { host: 'orders.internal' },
    upstream: 'orders',
    ...destination,
  })),
  ...more,
});

function reasonOf({ headers, body }: RawResponse): string | null {
  if (headers.get('content-type') !== 'application/problem+json') return null;
  return String((JSON.parse(body.toString()) as Record<string, unknown>)['reason']);
}

/** A directory of files that are replaced as by the kubelet: another file takes over the name atomically. */
export class ReplacedFiles implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'sallyport-outbound-'));

  /** Writes or replaces a file and returns its path. */
  put(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return path;
  }

  remove(name: string): void {
    rmSync(join(this.directory, name));
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A JWT as another issuer would issue it; the key does not matter here. */
export function foreignToken(claims: Readonly<Record<string, unknown>>): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32, 1));
}
