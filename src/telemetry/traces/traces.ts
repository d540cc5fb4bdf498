/** The traces of one gateway: opened with it, replaced when a reload changes the section, and closed with it. */

import { isDeepStrictEqual } from 'node:util';
import type { Clocks } from '../../lib/clock.ts';
import type { Logger } from '../log.ts';
import { openExport, type SpanExport } from './export.ts';
import type { TraceFiles } from './files.ts';
import type { TracesConfig } from './section.ts';
import type { TraceSeries } from './series.ts';
import { Tracer } from './tracer.ts';

interface TraceSurroundings {
  readonly clocks: Clocks;
  readonly series: TraceSeries;
  readonly log: Logger;
}

/** The traces of one configuration. */
interface OpenTraces {
  readonly made: readonly [config: TracesConfig, files: TraceFiles];
  readonly tracer: Tracer;
  readonly spans: SpanExport;
}

/** Holds what the configuration in use records with. */
export class Traces {
  readonly #surroundings: TraceSurroundings;
  readonly #open = new Set<OpenTraces>();
  #inUse: OpenTraces | null = null;

  constructor(surroundings: TraceSurroundings) {
    this.#surroundings = surroundings;
  }

  /** `null` where nothing is recorded. */
  get tracer(): Tracer | null {
    return this.#inUse?.tracer ?? null;
  }

  /**
   * Records by this configuration from now on. Traces that have begun end where they began; then what recorded them is closed.
   *
   * @param config  `undefined` to record nothing
   * @throws ConfigFault when the SDK cannot be loaded; nothing has changed then
   */
  async use(config: TracesConfig | undefined, files: TraceFiles): Promise<void> {
    if (isDeepStrictEqual(this.#inUse?.made, config && [config, files])) return;
    const next = config === undefined ? null : await this.#opened(config, files);
    const previous = this.#inUse;
    this.#inUse = next;
    if (previous !== null) void this.#retire(previous);
  }

  /** Sends what waits, in a bounded time, and closes. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((it) => this.#close(it)));
  }

  async #opened(config: TracesConfig, files: TraceFiles): Promise<OpenTraces> {
    const { clocks, series, log } = this.#surroundings;
    const spans = await openExport(config, files, { series, log });
    const tracer = new Tracer(config, { maker: spans.maker, clocks, series });
    const opened = { made: [config, files] as const, tracer, spans };
    this.#open.add(opened);
    return opened;
  }

  async #retire(previous: OpenTraces): Promise<void> {
    await previous.tracer.unused();
    await this.#close(previous);
  }

  async #close(traces: OpenTraces): Promise<void> {
    if (this.#open.delete(traces)) await traces.spans.close();
  }
}
