import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { watchFiles } from '../../src/config/watch.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-watch-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
});

/** A watch whose changes can be awaited one after the other. */
async function watching(paths: readonly string[], timing: { settleMs?: number; pollMs?: number } = {}) {
  const changes: (readonly string[])[] = [];
  let wake: (() => void) | null = null;
  const watch = watchFiles(
    paths,
    (changed) => {
      changes.push(changed);
      wake?.();
    },
    { settleMs: 5, ...timing },
  );
  onTestFinished(() => watch.close());
  return {
    watch,
    changes,
    async next(): Promise<readonly string[]> {
      while (changes.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return changes.shift()!;
    },
  };
}

/** What the kubelet does: a new directory, a new link, and the link renamed over `..data`. */
function swapConfigMap(generation: number, text: string): void {
  const data = join(directory, `..${generation}`);
  mkdirSync(data);
  writeFileSync(join(data, 'sallyport.yaml'), text);
  symlinkSync(`..${generation}`, join(directory, '..data_tmp'));
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  if (generation > 1) rmSync(join(directory, `..${generation - 1}`), { recursive: true });
}

test('two swaps of a ConfigMap are both noticed', async () => {
  swapConfigMap(1, 'a');
  symlinkSync('..data/sallyport.yaml', join(directory, 'sallyport.yaml'));
  const path = join(directory, 'sallyport.yaml');
  const { next } = await watching([path]);
  swapConfigMap(2, 'b');
  expect(await next()).toEqual([path]);
  swapConfigMap(3, 'c');
  expect(await next()).toEqual([path]);
});

test('a plain rewrite is noticed', async () => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const { next } = await watching([path]);
  writeFileSync(path, 'b');
  expect(await next()).toEqual([path]);
});

test('a file that is renamed over it is noticed, twice', async () => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const { next } = await watching([path]);
  for (const text of ['b', 'c']) {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    expect(await next()).toEqual([path]);
  }
});

test('a file that is deleted and made again is reported once it is there, and not while it is gone', async () => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const { next, changes } = await watching([path]);
  const other = join(directory, 'b.yaml');
  const sentinel = await watching([other]);
  unlinkSync(path);
  writeFileSync(other, 'seen');
  await sentinel.next();
  expect(changes).toEqual([]);
  writeFileSync(path, 'b');
  expect(await next()).toEqual([path]);
});

test('writing the same content is no change', async () => {
  const [path, other] = [join(directory, 'a.yaml'), join(directory, 'b.yaml')];
  writeFileSync(path, 'a');
  writeFileSync(other, 'a');
  const { next } = await watching([path, other]);
  writeFileSync(path, 'a');
  writeFileSync(other, 'b');
  expect(await next()).toEqual([other]);
});

test('a directory that is removed and made again is found by the poll', async () => {
  const inner = join(directory, 'inner');
  const path = join(inner, 'a.yaml');
  mkdirSync(inner);
  writeFileSync(path, 'a');
  const { next } = await watching([path], { pollMs: 20 });
  rmSync(inner, { recursive: true });
  mkdirSync(inner);
  writeFileSync(path, 'b');
  expect(await next()).toEqual([path]);
  writeFileSync(path, 'c');
  expect(await next()).toEqual([path]);
});

test('other files can be followed: a change of one that stays is not lost, one that went is not reported', async () => {
  const [stays, goes, comes] = ['a', 'b', 'c'].map((name) => join(directory, `${name}.yaml`)) as [
    string,
    string,
    string,
  ];
  for (const path of [stays, goes, comes]) writeFileSync(path, 'a');
  const { watch, next } = await watching([stays, goes]);
  writeFileSync(stays, 'b');
  writeFileSync(goes, 'b');
  watch.follow([stays, comes]);
  expect(await next()).toEqual([stays]);
  writeFileSync(comes, 'b');
  expect(await next()).toEqual([comes]);
});

test('after close nothing is reported', async () => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const closed = await watching([path]);
  const open = await watching([path]);
  closed.watch.close();
  writeFileSync(path, 'b');
  await open.next();
  expect(closed.changes).toEqual([]);
});
