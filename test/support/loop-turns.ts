/** More turns prove nothing more, and take CPU time from the work. */
const ENOUGH = 1_000;

/**
 * Counts the turns of the event loop during some work, up to 1,000. Unlike timers that fire, turns do not become few on
 * a fast machine: work elsewhere leaves the loop thousands of turns, work on the loop a handful.
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
