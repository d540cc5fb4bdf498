import fs, {
  type FSWatcher,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { FileWatch, seeFiles } from '../../src/config/files/watch.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-watch-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
});

/** A watch whose reports can be awaited one by one. */
async function watching(
  paths: readonly string[],
  timing: { settleMs?: number; pollMs?: number; goneMs?: number } = {},
) {
  const changes = new Reports<readonly string[]>();
  const faults = new Reports<string>();
  const watch = new FileWatch(
    paths,
    {
      onChange: (changed) => changes.add(changed),
      onFault: (at, { code }) => faults.add(`${code} ${relative(directory, at)}`),
      onRestored: (at) => faults.add(`restored ${relative(directory, at)}`),
    },
    undefined,
    { settleMs: 5, ...timing },
  );
  onTestFinished(() => watch.close());
  return {
    watch,
    changes: changes.waiting,
    next: () => changes.next(),
    nextFault: () => faults.next(),
    faults: faults.waiting,
  };
}

/** Reports that no test has read yet. */
class Reports<T> {
  readonly waiting: T[] = [];
  #wake: (() => void) | null = null;

  add(report: T): void {
    this.waiting.push(report);
    this.#wake?.();
  }

  async next(): Promise<T> {
    while (this.waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.waiting.shift()!;
  }
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

test('both of two ConfigMap swaps are noticed', async () => {
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

test('renaming another file over the watched one is noticed, twice', async () => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const { next } = await watching([path]);
  for (const text of ['b', 'c']) {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    expect(await next()).toEqual([path]);
  }
});

test('a deleted file is reported when it is recreated, not while it is missing', async () => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const { next, changes } = await watching([path], { goneMs: 3_600_000 });
  const other = join(directory, 'b.yaml');
  const sentinel = await watching([other]);
  unlinkSync(path);
  writeFileSync(other, 'seen');
  await sentinel.next();
  expect(changes).toEqual([]);
  writeFileSync(path, 'b');
  expect(await next()).toEqual([path]);
});

test.each([
  ['missing', (path: string) => unlinkSync(path)],
  ['empty', (path: string) => writeFileSync(path, '')],
])('R4: a file that stays %s is reported once, and again when it is back', async (_how, spoil) => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const { next, changes } = await watching([path], { goneMs: 5 });
  spoil(path);
  expect(await next()).toEqual([path]);
  writeFileSync(path, 'a');
  expect(await next()).toEqual([path]);
  expect(changes).toEqual([]);
});

test('R4: a file and a directory that did not exist are reported when they appear', async () => {
  const [file, folder] = [join(directory, 'a.yaml'), join(directory, 'keys')] as [string, string];
  const { next } = await watching([file, folder], { pollMs: 20 });
  writeFileSync(file, 'a');
  expect(await next()).toEqual([file]);
  mkdirSync(folder);
  expect(await next()).toEqual([folder]);
  writeFileSync(join(folder, 'a.key.json'), '{}');
  expect(await next()).toEqual([folder]);
});

test('of the files read before the watch started, only a changed one is reported', async () => {
  const [changes, stays] = [join(directory, 'a.yaml'), join(directory, 'b.yaml')] as [string, string];
  writeFileSync(changes, 'a');
  writeFileSync(stays, 'a');
  const seen = seeFiles([changes, stays]);
  writeFileSync(changes, 'b');
  const reported = await new Promise<readonly string[]>((onChange) => {
    const watch = new FileWatch([changes, stays], { onChange, onFault: () => {}, onRestored: () => {} }, seen);
    onTestFinished(() => watch.close());
  });
  expect(reported).toEqual([changes]);
});

test('writing the same content is not a change', async () => {
  const [path, other] = [join(directory, 'a.yaml'), join(directory, 'b.yaml')];
  writeFileSync(path, 'a');
  writeFileSync(other, 'a');
  const { next } = await watching([path, other]);
  writeFileSync(path, 'a');
  writeFileSync(other, 'b');
  expect(await next()).toEqual([other]);
});

test('polling finds a directory that is removed and recreated', async () => {
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

test('following other files keeps changes to those that stay and drops the others', async () => {
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

test('nothing is reported after close', async () => {
  const path = join(directory, 'a.yaml');
  writeFileSync(path, 'a');
  const closed = await watching([path]);
  const open = await watching([path]);
  closed.watch.close();
  writeFileSync(path, 'b');
  await open.next();
  expect(closed.changes).toEqual([]);
});

describe('a directory that cannot be watched', () => {
  let inner: string;
  let path: string;
  beforeEach(() => {
    inner = join(directory, 'outer', 'inner');
    path = join(inner, 'a.yaml');
    mkdirSync(inner, { recursive: true });
    writeFileSync(path, 'a');
  });
  const outer = () => join(directory, 'outer');
  const away = () => join(directory, 'away');

  test.each([
    ['is renamed away', 'ENOENT', () => renameSync(inner, away()), () => renameSync(away(), inner)],
    [
      'is below a file',
      'ENOTDIR',
      () => {
        renameSync(outer(), away());
        writeFileSync(outer(), '');
      },
      () => {
        rmSync(outer());
        renameSync(away(), outer());
      },
    ],
    [
      'is below a loop of links',
      'ELOOP',
      () => {
        renameSync(outer(), away());
        symlinkSync('outer', outer());
      },
      () => {
        rmSync(outer());
        renameSync(away(), outer());
      },
    ],
  ])('because it %s (%s) is reported once, and watched again when it is back', async (_why, code, breakIt, mendIt) => {
    const { next, nextFault, faults, changes } = await watching([path], { pollMs: 5 });
    breakIt();
    expect(await nextFault()).toBe(`${code} outer/inner`);
    // Another watch shows that the poll has run again, more than once.
    const sentinel = join(directory, 'sentinel');
    const other = await watching([sentinel], { pollMs: 5 });
    for (const text of ['a', 'b']) {
      writeFileSync(sentinel, text);
      await other.next();
    }
    expect([faults, changes]).toEqual([[], []]);
    mendIt();
    expect(await nextFault()).toBe('restored outer/inner');
    writeFileSync(path, 'b');
    expect(await next()).toEqual([path]);
  });

  test('because it never existed is reported at once, and watched when it appears', async () => {
    rmSync(outer(), { recursive: true });
    const { next, nextFault } = await watching([path], { pollMs: 5 });
    expect(await nextFault()).toBe('ENOENT outer/inner');
    mkdirSync(inner, { recursive: true });
    writeFileSync(path, 'b');
    expect(await next()).toEqual([path]);
    expect(await nextFault()).toBe('restored outer/inner');
  });

  test('because its watcher fails is reported, and gets a new watcher', async () => {
    const watchers: FSWatcher[] = [];
    const original = fs.watch;
    const spy = vi.spyOn(fs, 'watch').mockImplementation(((...given: Parameters<typeof original>) => {
      const watcher = original(...given);
      watchers.push(watcher);
      return watcher;
    }) as typeof original);
    syncBuiltinESMExports();
    onTestFinished(() => {
      spy.mockRestore();
      syncBuiltinESMExports();
    });
    const { next, nextFault } = await watching([path], { pollMs: 20 });
    watchers[0]?.emit('error', Object.assign(new Error('gone'), { code: 'EACCES' }));
    expect(await nextFault()).toBe('EACCES outer/inner');
    expect(await nextFault()).toBe('restored outer/inner');
    expect(watchers).toHaveLength(2);
    // A late error of the first watcher says nothing about the second.
    watchers[0]?.emit('error', Object.assign(new Error('gone'), { code: 'EACCES' }));
    writeFileSync(path, 'b');
    expect(await next()).toEqual([path]);
  });
});
