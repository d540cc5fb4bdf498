/**
 * gRPC's own interoperability tests, with the client and the server of grpc-go, through the gateways of two workloads.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outboundSection } from '../outbound/stage.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { findProgram, GRPC_GO_CLIENT, GRPC_GO_SERVER } from '../support/programs.ts';
import { until } from '../support/until.ts';

const missing =
  findProgram([GRPC_GO_CLIENT]) === null || findProgram([GRPC_GO_SERVER]) === null
    ? 'client and server are not built: they need Go when test/support/prerequisites.ts runs'
    : null;
if (missing !== null) console.log(`skipped: ${missing}`);

const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
];

describe.skipIf(missing !== null)('grpc-go through both sidecars', () => {
  let server: ChildProcess;
  let inbound: TestGateway;
  let outbound: TestGateway;

  beforeAll(async () => {
    const port = await freePort();
    server = spawn(GRPC_GO_SERVER, [`--port=${port}`], { stdio: 'ignore' });
    const isListening = async () => {
      const socket = connect(port, '127.0.0.1');
      const answered = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false);
      socket.destroy();
      return answered;
    };
    await until(isListening, 'the server listens');
    inbound = await startGateway({
      routes: [{ id: 'service', match: { host: '*', path: '/' }, credential: 'none' }],
      upstream: `h2c://127.0.0.1:${port}`,
      config: { listeners: { public: { address: '127.0.0.1:0', http2: true }, admin: { address: '127.0.0.1:0' } } },
    });
    outbound = await startGateway({
      config: {
        upstreams: {
          app: { endpoints: ['http://127.0.0.1:9'] },
          orders: { endpoints: [`h2c://127.0.0.1:${inbound.port}`] },
        },
        outbound: outboundSection([{ match: { path: '/' }, token: { service: {} } }], { http2: true }),
      },
    });
  });
  afterAll(async () => {
    server?.kill('SIGKILL');
    await outbound?.[Symbol.asyncDispose]();
    await inbound?.[Symbol.asyncDispose]();
  });

  test.each(CASES)('%s', async (name) => {
    const address = ['--server_host=127.0.0.1', `--server_port=${outbound.portOf('outbound')}`, '--use_tls=false'];
    await promisify(execFile)(GRPC_GO_CLIENT, [...address, `--test_case=${name}`], { timeout: 150_000 });
    expect(inbound.log.records.filter(({ reason }) => reason === 'bug')).toEqual([]);
  });
});
