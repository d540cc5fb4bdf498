/** Several programs that do the same thing in turns, and what each unit of it cost them. */

import { cpuTimeOfTreeUs } from '../support/process-figures.ts';
import { type Spread, spreadOf } from '../support/statistics.ts';

/** One of the programs. */
export interface Subject {
  readonly name: string;
  readonly title: string;
  /** The process whose CPU time counts, with all that it has started. */
  readonly pid: number;
  /** Another one, whose CPU time counts as well. */
  readonly pidBeside?: number;
  /** Does it for about this long; how many units were done, and how long it took, milliseconds. */
  readonly run: (durationMs: number) => Promise<Done>;
  /** Most runs before any counts. Default: 5. */
  readonly warmUps?: number;
  /** Processes that share the work, each of which compiles for itself. Default: 1. */
  readonly processes?: number;
}

export interface Done {
  readonly units: number;
  readonly tookMs: number;
}

export interface TurnSettings {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
}

/** What was measured: a value for each turn, in the same order for all. */
export class Turns {
  readonly #costs = new Map<string, number[]>();
  readonly #rates = new Map<string, number[]>();

  /**
   * Lets the subjects take turns; their order rotates.
   *
   * @throws Error when nothing was done in a round
   */
  static async take(subjects: readonly Subject[], { rounds, roundMs, warmUpMs }: TurnSettings): Promise<Turns> {
    const turns = new Turns();
    for (const subject of subjects) await warmUp(subject, warmUpMs);
    for (let turn = 0; turn < rounds; turn += 1) {
      for (const [index] of subjects.entries()) {
        const subject = subjects[(index + turn) % subjects.length] as Subject;
        const { name, run } = subject;
        const beforeUs = cpuTimeOfUs(subject);
        const { units, tookMs } = await run(roundMs);
        const cpuUs = cpuTimeOfUs(subject) - beforeUs;
        if (!(units > 0)) throw new Error(`${name}: nothing was done`);
        push(turns.#costs, name, cpuUs / units);
        push(turns.#rates, name, (units / tookMs) * 1_000);
      }
    }
    return turns;
  }

  /** CPU time of a unit, microseconds. */
  cost(name: string): Spread {
    return spreadOf(this.#of(this.#costs, name));
  }

  /** Units that a second of CPU time does. */
  perCpuSec(name: string): Spread {
    return spreadOf(this.#of(this.#costs, name).map((costUs) => 1e6 / costUs));
  }

  perSec(name: string): Spread {
    return spreadOf(this.#of(this.#rates, name));
  }

  /** The cost of one against that of another, in each turn. */
  ratio(name: string, to: string): Spread {
    const others = this.#of(this.#costs, to);
    return spreadOf(this.#of(this.#costs, name).map((cost, turn) => cost / (others[turn] as number)));
  }

  #of(values: ReadonlyMap<string, readonly number[]>, name: string): readonly number[] {
    const found = values.get(name);
    if (found === undefined) throw new Error(`${name} was not measured`);
    return found;
  }
}

const cpuTimeOfUs = ({ pid, pidBeside }: Subject) =>
  [pid, ...(pidBeside === undefined ? [] : [pidBeside])]
    .map((each) => cpuTimeOfTreeUs(each) ?? Number.NaN)
    .reduce((sum, us) => sum + us);

/** After so many requests everything on their way is compiled, however little a busy machine lets through in a second. */
const WARM_UNITS = 20_000;
const MOST_WARM_UPS = 5;

async function warmUp({ run, warmUps = MOST_WARM_UPS, processes = 1 }: Subject, warmUpMs: number): Promise<void> {
  let done = 0;
  for (let turn = 0; turn < processes * warmUps && done < processes * WARM_UNITS; turn += 1)
    done += (await run(warmUpMs)).units;
}

function push(values: Map<string, number[]>, name: string, value: number): void {
  const present = values.get(name);
  if (present === undefined) values.set(name, [value]);
  else present.push(value);
}
