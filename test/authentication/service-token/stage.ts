/** A gateway with one route that accepts tokens of the issuers that a test configures, with stopped clocks. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestClocks } from '../../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../../support/gateway.ts';
import { ecKeyPair, es256, forge, type KeyPair, type Signer } from '../../support/issuers/forger.ts';
import { rawRequest } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { counted } from '../../support/telemetry/counted.ts';

export const ISSUER = 'https://issuer.example';
export const KEY: KeyPair = ecKeyPair();
export const clocks = new TestClocks();
const nowSec = Math.floor(clocks.wallMs() / 1_000);

/** A token for the stage. */
export function tokenBy(signer: Signer = es256(KEY), header: object = {}): string {
  const claims = { iss: ISSUER, sub: 'cart', aud: PUBLIC_ORIGIN, iat: nowSec, exp: nowSec + 300 };
  return forge({ alg: 'ES256', kid: 'one', ...header }, claims, signer);
}

/** Files that are removed at the end of a test. */
export class Files implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'sallyport-issuers-'));

  /** Writes a file and returns its path. */
  write(name: string, content: string | Buffer): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class IssuerStage implements AsyncDisposable {
  readonly gateway: TestGateway;
  readonly upstream: RecordingUpstream;

  private constructor(gateway: TestGateway, upstream: RecordingUpstream) {
    this.gateway = gateway;
    this.upstream = upstream;
  }

  /** @param config  further sections of the configuration */
  static async start(issuers: Record<string, object>, config: object = {}): Promise<IssuerStage> {
    const upstream = await RecordingUpstream.start();
    try {
      const gateway = await startGateway({
        upstream: upstream.origin,
        clocks,
        config: { issuers, ...config },
        routes: [
          {
            id: 'api',
            match: { path: '/' },
            credential: { service: Object.keys(issuers) },
            identityHeaders: { 'X-Caller': 'subject' },
          },
        ],
      });
      return new IssuerStage(gateway, upstream);
    } catch (fault) {
      await upstream[Symbol.asyncDispose]();
      throw fault;
    }
  }

  async status(token: string): Promise<number> {
    const head = `GET / HTTP/1.1\r\n${HOST}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    return (await rawRequest(this.gateway.port, head)).status;
  }

  /** The number of tokens refused for this problem. */
  async refused(problem: string): Promise<number> {
    return counted(this.gateway.metrics, 'service_tokens_refused_total', { problem });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }
}
