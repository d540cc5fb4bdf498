/** A request to the admin listener, its answer, and what endpoints work with. */

import type { Clocks } from '../lib/clock.ts';
import type { Logger } from '../telemetry/log.ts';
import type { GatewayControl, ReloadControl } from './control.ts';
import type { AdminSeries } from './series.ts';

/** What `sallyport explain` is asked, as far as a form can ask it. Texts are as they were typed. */
export interface ExplainQuestion {
  readonly method: string;
  readonly url: string;
  readonly session: string | undefined;
  readonly service: string | undefined;
  /** Lines, each `Name: value`. */
  readonly header: readonly string[];
  readonly from: string | undefined;
  readonly as: string | undefined;
  readonly outbound: boolean;
  readonly http2: boolean;
}

/** What `sallyport explain` prints, or why it cannot answer. */
export type ExplainAnswer = { readonly text: string } | { readonly problem: string };

/** The program that runs. */
export interface Build {
  readonly version: string;
  /** The commit that it was built from. */
  readonly revision: string;
}

/** What the admin listener works with. */
export interface AdminParts {
  readonly control: GatewayControl;
  readonly reloader: ReloadControl;
  /** Answers for the configuration in use, without holding up the event loop. Never rejects. */
  readonly explain: (question: ExplainQuestion) => Promise<ExplainAnswer>;
  /** What precedes the reason in the `type` of problem documents; `null`: no link. */
  readonly problemTypeBase: () => string | null;
  readonly build: Build;
  readonly clocks: Clocks;
  readonly log: Logger;
  readonly series: AdminSeries;
}

/** One request to the admin listener. */
export interface AdminRequest {
  readonly id: string;
  /** Address of the client. */
  readonly client: string;
  /** The segment that a path ends with, where its endpoint takes one. */
  readonly segment: string;
  readonly query: URLSearchParams;
  /** Value of Accept; empty when it is absent. */
  readonly accept: string;
  /** Text of the body, where the endpoint takes one. */
  readonly body: string;
}

/** What an endpoint answers. */
export interface AdminAnswer {
  readonly status: number;
  readonly mediaType: string;
  /** Flat name, value list, besides those of every answer. */
  readonly headers?: readonly string[];
  /** A long one in blocks. */
  readonly body: string | AsyncIterable<string>;
}
