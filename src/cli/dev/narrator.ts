/** Shows people at a terminal what a gateway does: its log in words, and the claims of the tokens that go upstream. */

import { decodeCompact } from '../../jwt/compact.ts';
import type { CompactToken } from '../../lib/http/bearer.ts';
import type { LineBlocks } from '../../telemetry/line-blocks.ts';
import type { LineStream } from '../../telemetry/log.ts';
import type { Outlet } from '../../upstream/forward.ts';
import { withoutControls } from '../io/output.ts';
import type { Watching } from '../start/run-gateway.ts';

/** A record of the log: the fields that are used here. */
interface LogRecord {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly event?: string;
  readonly [field: string]: unknown;
}

const COOKIE_LOST =
  'The browser did not send the session cookie after this login. Safari rejects Secure cookies over plain http: use another browser.';

/** Fields that every record has, or that mean nothing on one machine. */
const OMITTED = new Set('level time id requestId client handle listener stream msg event replaced'.split(' '));

/** Writes what happens. */
export class Narrator implements Watching {
  #output: LineBlocks | null = null;
  /** The last token printed, by route. */
  readonly #printed = new Map<string, CompactToken>();
  /** A login has just been answered: the next request shows whether the browser kept the cookie. */
  #isFirstAfterLogin = false;

  linesTo(output: LineBlocks): LineStream {
    this.#output = output;
    return {
      write: (lines: string) => {
        for (const line of lines.split('\n')) if (line !== '') this.#record(line);
      },
    };
  }

  readonly outletOf = (outlet: Outlet): Outlet => ({
    tunnels: outlet.tunnels,
    forward: (exchange, request, permit, target, token, tokens) => {
      if (token !== null) this.#token(permit.route.id, token);
      outlet.forward(exchange, request, permit, target, token, tokens);
    },
  });

  /** Prints a token once: the same one goes upstream with every request for two minutes. */
  #token(route: string, token: CompactToken): void {
    if (this.#printed.get(route) === token) return;
    this.#printed.set(route, token);
    const claims = JSON.stringify(decodeCompact(token)?.payload, null, 2);
    this.#write(`claims of the token for route ${route}:\n${claims.replaceAll(/^/gm, '  ')}`);
  }

  #record(line: string): void {
    const record = JSON.parse(line) as LogRecord;
    const { time, msg, event } = record;
    // The line of the request already reports a denial.
    if (event === 'denied') return;
    this.#write(`${time.slice(11, 19)}  ${msg === 'request' ? requestText(record) : eventText(record)}`);
    if (event === 'login') this.#isFirstAfterLogin = true;
    else if (msg === 'request' && !isOwn(record) && this.#isFirstAfterLogin) {
      this.#isFirstAfterLogin = false;
      if (record['reason'] === 'credential_missing') this.#write(COOKIE_LOST);
    }
  }

  #write(text: string): void {
    for (const line of text.split('\n')) this.#output?.write(`${withoutControls(line)}\n`);
    this.#output?.flush();
  }
}

/** Whether the gateway itself answered, as it does at the login. */
const isOwn = ({ path }: LogRecord): boolean => typeof path === 'string' && /^\/(?:auth|\.well-known)\//.test(path);

/** `GET /api/orders  200  route app  demo  12 ms`. */
function requestText({ method, path, status, route, subject, durationMs, reason, note }: LogRecord): string {
  const why = reason === undefined ? [] : [`${reason}${note === undefined ? '' : `: ${note}`}`];
  return [
    `${method} ${path ?? '?'}`,
    status,
    ...(route === undefined ? [] : [`route ${route}`]),
    ...(subject === undefined ? [] : [subject]),
    `${Math.round(Number(durationMs ?? 0))} ms`,
    ...why,
  ].join('  ');
}

/** `login  subject demo  method password`. */
function eventText(record: LogRecord): string {
  const { level, msg, event } = record;
  const isNothing = (value: unknown) => value === null || (Array.isArray(value) && value.length === 0);
  const fields = Object.entries(record).filter(([name, value]) => !OMITTED.has(name) && !isNothing(value));
  const shown = fields.map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [event ?? `${level}: ${msg}`, ...shown].join('  ');
}
