import { describe, expect, test } from 'vitest';
import { EVENT_LOOP, Turns } from '../../src/lib/concurrency/turns.ts';

const CLIENT = '198.51.100.1';
const GUEST = '198.51.100.2';

/** Turns on an event loop that the test drives; each part takes a fifth of a millisecond. */
class Stage {
  nowMs = 1_000;
  readonly events: string[] = [];
  #soon: (() => void)[] = [];
  readonly turns: Turns = new Turns(() => this.nowMs, {
    endOfTurn: (run) => this.#soon.push(run),
    next: (run) => EVENT_LOOP.next(run),
  });

  /** A part of some work that records its name when it runs. */
  part(name: string, waits: Promise<unknown>): void {
    void waits.then((said) => {
      if (said !== false) this.nowMs += 0.2;
      this.events.push(said === false ? `${name} may not` : name);
    });
  }

  /** Lets the loop poll for events once, and what then runs finish. */
  async turn(): Promise<void> {
    const due = this.#soon;
    this.#soon = [];
    for (const run of due) run();
    await new Promise(setImmediate);
  }
}

describe('turns', () => {
  test('parts wait until the event loop has polled, then run for half a millisecond', async () => {
    const stage = new Stage();
    for (const name of ['a', 'b', 'c', 'd']) stage.part(name, stage.turns.goOn());
    await new Promise(setImmediate);
    expect(stage.events).toEqual([]);
    await stage.turn();
    expect(stage.events).toEqual(['a', 'b', 'c']);
    expect(stage.turns.size).toBe(1);
    await stage.turn();
    expect(stage.events).toEqual(['a', 'b', 'c', 'd']);
  });

  test('work in progress continues before new work begins', async () => {
    const stage = new Stage();
    stage.part('new', stage.turns.begin(CLIENT));
    stage.part('under way', stage.turns.goOn());
    await stage.turn();
    expect(stage.events).toEqual(['under way', 'new']);
  });

  test('clients take turns to begin; networks of one site count as one client', async () => {
    const stage = new Stage();
    for (const name of ['a1', 'a2', 'a3']) stage.part(name, stage.turns.begin(CLIENT));
    stage.part('b1', stage.turns.begin(GUEST));
    for (const net of [1, 2]) stage.part(`site ${net}`, stage.turns.begin(`2001:db8:1:${net}::5`));
    for (let turn = 0; turn < 2; turn += 1) await stage.turn();
    expect(stage.events).toEqual(['a1', 'b1', 'site 1', 'a2', 'site 2', 'a3']);
  });

  test('with 1,024 waiting, the client with the most gets no more and yields a place to another', async () => {
    const stage = new Stage();
    for (let count = 0; count < 1_024; count += 1) stage.part(`flood ${count}`, stage.turns.begin(CLIENT));
    stage.part('one more', stage.turns.begin(CLIENT));
    stage.part('guest', stage.turns.begin(GUEST));
    expect(stage.turns.size).toBe(1_024);
    await stage.turn();
    expect(stage.events.slice(0, 2)).toEqual(['one more may not', 'flood 1023 may not']);
    expect(stage.events).toContain('guest');
  });

  test('the real event loop polls for events between 1,000 ready parts', async () => {
    let nowMs = 0;
    const turns = new Turns(() => nowMs);
    let looks = 0;
    const look = () => {
      looks += 1;
      if (turns.size > 0) setImmediate(look);
    };
    setImmediate(look);
    const parts = Array.from({ length: 1_000 }, async () => {
      await turns.goOn();
      // Microtasks still belong to the part.
      await Promise.resolve();
      nowMs += 0.25;
    });
    await Promise.all(parts);
    expect(looks).toBeGreaterThanOrEqual(499);
  });
});
