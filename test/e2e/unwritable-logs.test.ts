/** The program while its logs cannot be written: it serves, counts, recovers, and ends when told to. */

import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HOST } from '../support/gateway.ts';
import { GatewayProcess } from '../support/process.ts';
import { RawConnection, requestHead } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

/** Refused, so that each request is audited; the path makes its access log line as long as possible. */
const REFUSED = requestHead('GET', `/${'x'.repeat(7_000)}`, [HOST]);

const BATCH = 50;

/** Sends refused requests, each of which is answered, until `isDone` accepts their number. */
async function refuse(gateway: GatewayProcess, isDone: (count: number) => boolean | Promise<boolean>): Promise<void> {
  await using client = await RawConnection.open(gateway.port);
  for (let count = 0; !(await isDone(count)); count += BATCH) {
    client.write(REFUSED.repeat(BATCH));
    for (let each = 0; each < BATCH; each += 1) expect((await client.response()).status).toBe(401);
  }
}

const deniedIn = (file: string) => readFileSync(file, 'utf8').split('"event":"denied"').length - 1;

async function lost(gateway: GatewayProcess, output: string): Promise<number> {
  const text = await (await gateway.admin('/metrics')).text();
  return Number(new RegExp(`^sallyport_log_lines_lost_total\\{output="${output}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

test('R1: an audit file on a full disk stops nothing, and is written when there is room', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-audit-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const auditFile = join(directory, 'audit.log');
  execFileSync('ln', ['-s', '/dev/full', auditFile]);
  await using gateway = await GatewayProcess.start({ config: { log: { auditFile } } });
  await refuse(gateway, (count) => count === BATCH);
  expect(await gateway.status('/readyz')).toBe(200);
  await until(() => gateway.stdout.includes('audit file cannot be written'), 'it is logged');
  rmSync(auditFile);
  await until(() => gateway.stdout.includes('log output can be written again'), 'it has recovered');
  expect(deniedIn(auditFile)).toBe(BATCH);
  expect(await lost(gateway, 'audit_file')).toBe(0);

  renameSync(auditFile, `${auditFile}.1`);
  gateway.signal('SIGHUP');
  await refuse(gateway, (count) => count === BATCH);
  await until(() => existsSync(auditFile) && deniedIn(auditFile) === BATCH, 'it is reopened');
  gateway.signal('SIGTERM');
  expect(await gateway.ended).toEqual({ code: 0, signal: null });
});

test('R1: standard output on a full disk stops nothing', async () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  await using gateway = await GatewayProcess.start({ stdoutTo: full });
  await refuse(gateway, (count) => count === BATCH);
  gateway.signal('SIGTERM');
  expect(await gateway.ended).toEqual({ code: 0, signal: null });
});

test('R1: standard output that no one reads blocks nothing; lost lines are counted and reported', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-pipe-'));
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const pipe = openSync(path, constants.O_RDWR);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(pipe);
    rmSync(directory, { recursive: true });
  });
  await using gateway = await GatewayProcess.start({ stdoutTo: pipe });
  await refuse(gateway, async () => (await lost(gateway, 'stdout')) > 0);
  expect(await gateway.status('/livez')).toBe(200);

  let text = '';
  const socket = new Socket({ fd: reader, readable: true, writable: false });
  onTestFinished(() => void socket.destroy());
  socket.on('data', (chunk) => {
    text = text.slice(-100_000) + chunk.toString('latin1');
  });
  await until(() => text.includes('log output can be written again'), 'it says that it can write again');
  socket.pause();
  expect(text).toMatch(/"output":"standard output","lost":[1-9]\d*/);

  await refuse(gateway, (count) => count === BATCH);
  gateway.signal('SIGTERM');
  expect(await gateway.ended).toEqual({ code: 0, signal: null });
});
