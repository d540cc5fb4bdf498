/** The audit stream in a file that cannot be written, or that is renamed. */

import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { AuditFile } from '../../src/telemetry/audit-file.ts';
import { createLog, lossReports } from '../../src/telemetry/log.ts';
import { CapturedLog } from '../support/gateway.ts';
import { until } from '../support/until.ts';

function fixture() {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-audit-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'audit.log');
  const log = new CapturedLog();
  const reports = { lost: 0, restored: [] as number[] };
  const logger = createLog('debug', log);
  const logged = lossReports('audit file', logger, {
    inc: (lines) => {
      reports.lost += lines;
    },
  });
  const open = () =>
    new AuditFile(path, logger, {
      ...logged,
      onRestored: (lost) => {
        reports.restored.push(lost);
        logged.onRestored(lost);
      },
    });
  return {
    path,
    log,
    reports,
    open,
    /** Makes every write to the path fail with ENOSPC. */
    fill: () => symlinkSync('/dev/full', path),
    /** Gives the disk room again. */
    free: () => unlinkSync(path),
    read: () => readFileSync(path, 'utf8'),
  };
}

test('R1: records wait while the disk is full, then are written in order, and the log says both', () => {
  const { fill, open, free, read, log, reports } = fixture();
  fill();
  const file = open();
  file.write('1\n');
  file.write('2\n');
  expect(file.canWrite()).toBe(false);
  expect(log.records).toMatchObject([{ msg: 'audit file cannot be written; records wait', fault: { code: 'ENOSPC' } }]);
  free();
  file.write('3\n');
  expect(read()).toBe('1\n2\n3\n');
  expect(reports).toEqual({ lost: 0, restored: [0] });
  expect(log.records.slice(1)).toMatchObject([
    { msg: 'log output can be written again', output: 'audit file', lost: 0 },
  ]);
});

test('R1: waiting records are written once the disk has room, without another event', async () => {
  const { fill, open, free, path, reports } = fixture();
  fill();
  open().write('1\n');
  free();
  await until(() => reports.restored.length > 0, 'it is tried again');
  expect(readFileSync(path, 'utf8')).toBe('1\n');
});

test('R1: waiting records are bounded, and lost ones are counted', () => {
  const { fill, open, free, read, reports } = fixture();
  fill();
  const file = open();
  const line = `${'x'.repeat(64 * 1_024 - 1)}\n`;
  for (let count = 0; count < 70; count += 1) file.write(line);
  expect(reports.lost).toBe(6);
  free();
  expect(file.canWrite()).toBe(true);
  expect(read()).toBe(line.repeat(64));
  expect(reports.restored).toEqual([6]);
});

test('R1: a record that must be written now fails instead of waiting', () => {
  const { fill, open, free, read } = fixture();
  fill();
  const file = open();
  expect(file.writeNow('1\n')).toBe(false);
  free();
  expect(file.writeNow('2\n')).toBe(true);
  expect(read()).toBe('2\n');
});

test('R11: a renamed file is reopened with the next record and never truncated', () => {
  const { open, path, read } = fixture();
  const file = open();
  file.write('1\n');
  renameSync(path, `${path}.1`);
  file.write('2\n');
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('1\n');
  expect(read()).toBe('2\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  open().write('3\n');
  expect(read()).toBe('2\n3\n');
});
