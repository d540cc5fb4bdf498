/** More of them say nothing more, and take the processor from what is waited for. */
const ENOUGH = 1_000;

/**
 * Counts how often the event loop turns while something is done. Unlike timers that fire, turns do not become few where a
 * machine is fast: what is done elsewhere leaves the loop thousands of them, what is done on the loop a handful. Counts to 1,000.
 */
export async function loopTurnsDuring<Result>(work: () => Promise<Result>): Promise<{ turns: number; result: Result }> {
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns += 1;
    if (!isOver && turns < ENOUGH) setImmediate(turn);
  };
  setImmediate(turn);
  try {
    const result = await work();
    return { turns, result };
  } finally {
    isOver = true;
  }
}
