/** Log lines on an output that accepts nothing: a pipe that nobody reads, a full disk. */

import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { BlockWriter } from '../../src/telemetry/block-writer.ts';
import { LineBlocks } from '../../src/telemetry/line-blocks.ts';
import { until } from '../support/until.ts';

const FLUSH_EVERY_MS = 5;
const LINE = `${'x'.repeat(1_023)}\n`;
const LINES_OF_16_MIB = 16 * 1_024;

/** A non-blocking pipe, as Node sets up standard output. */
function pipe() {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-pipe-'));
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  });
  return descriptor;
}

/** Reads what the pipe contains. */
function take(descriptor: number): string {
  const bytes = Buffer.alloc(1024 * 1024);
  try {
    return bytes.toString('latin1', 0, readSync(descriptor, bytes));
  } catch {
    return '';
  }
}

function linesOn(descriptor: number) {
  const lines = new LineBlocks(new BlockWriter(descriptor), FLUSH_EVERY_MS);
  onTestFinished(() => lines.close());
  const seen = { lost: 0, restored: [] as number[] };
  lines.reports = {
    onLost: (count) => {
      seen.lost += count;
    },
    onRestored: (count) => seen.restored.push(count),
  };
  return { lines, seen };
}

test('R1: an unread pipe blocks nothing; waiting lines are bounded, lost ones are counted', async () => {
  const descriptor = pipe();
  const { lines, seen } = linesOn(descriptor);
  let taken = 0;
  for (let count = 0; count < 2 * LINES_OF_16_MIB; count += 1) if (lines.write(LINE)) taken += 1;
  // A block is passed on before it is completely full.
  expect(taken).toBeGreaterThan(0.9 * LINES_OF_16_MIB);
  expect(taken).toBeLessThan(1.1 * LINES_OF_16_MIB);
  expect(seen.lost).toBe(2 * LINES_OF_16_MIB - taken);
  expect(lines.isFull).toBe(true);

  let text = '';
  while (text.length < taken * LINE.length) {
    text += take(descriptor);
    await new Promise(setImmediate);
  }
  expect(text).toBe(LINE.repeat(taken));
  await until(() => seen.restored.length > 0, 'the loss is reported');
  expect(seen.restored).toEqual([seen.lost]);
  expect(lines.isFull).toBe(false);
});

test('R1: while the output is busy, lines gather in one block, not one per second', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const blocks: string[] = [];
  const sink = {
    isBusy: true,
    isFull: false,
    write: (block: Uint8Array) => void blocks.push(Buffer.from(block).toString()),
    idle: async () => {},
  };
  const lines = new LineBlocks(sink, 1_000);
  for (let second = 0; second < 3; second += 1) {
    lines.write(`${second}\n`);
    vi.advanceTimersByTime(1_000);
  }
  expect(blocks).toEqual([]);
  sink.isBusy = false;
  vi.advanceTimersByTime(1_000);
  expect(blocks).toEqual(['0\n1\n2\n']);
  lines.close();
});

test('draining resolves when everything is written', async () => {
  const descriptor = pipe();
  const { lines } = linesOn(descriptor);
  lines.write(LINE);
  await lines.drain();
  expect(take(descriptor)).toBe(LINE);
});
