/**
 * The audit stream: logins, logouts, revocations and refusals. Code that writes an event declares its fields, so nothing
 * gets into the stream that has no name: no session id, no token, no password, and no account name that does not exist,
 * since people type passwords into the wrong field.
 */

import { DependencyFault, REASONS, type Reason } from '../errors.ts';
import type { PresentedIssuer } from '../jwt/subject.ts';
import type { WithoutSecrets } from '../lib/brand.ts';
import type { Clock } from '../lib/clock.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import type { FinishedRequest } from './finished-request.ts';
import type { LineStream } from './log.ts';
import type { LogConfig } from './section.ts';

/**
 * Events that grant something, by name: refused when they have to be recorded and cannot be. Declared as {@link AuditEvents}
 * are.
 *
 * @public
 */
// biome-ignore lint/suspicious/noEmptyInterface: the code that writes a grant declares it
export interface AuditGrants {}

/**
 * The other events, by name. The code that writes an event declares it, by merging into this interface. A `handle` names a
 * session without opening it; a session id or a token is not accepted as any text.
 *
 * @public
 */
export interface AuditEvents {
  /** Something that would have been granted was refused, because its own record could not be written. */
  readonly unrecorded_refused: {
    /** The event that was not recorded. */
    readonly wanted: string;
    readonly subject: string;
  };
  readonly denied: {
    readonly route: string;
    /** Of the request, as in the access log. */
    readonly method: string;
    readonly host: string | null;
    readonly path: string | null;
    readonly reason: string;
    readonly note: string | null;
    /** `null` when nobody was authenticated. */
    readonly subject: string | null;
    /** The issuer of the subject; `null` for this gateway, or where no one was authenticated. */
    readonly subjectIssuer: PresentedIssuer | null;
  };
}

type Named<Events> = { [Name in keyof Events]: { readonly event: Name } & Events[Name] }[keyof Events];
type AuditGrant = WithoutSecrets<Named<AuditGrants>>;
type AuditEvent = WithoutSecrets<Named<AuditEvents>> | AuditGrant;

/** Where an event came from. */
export interface AuditSource {
  /** Id of the request, as in the access log; `null` when no request caused the event. */
  readonly requestId: string | null;
  /** Address of the client; `null` when there is none. */
  readonly client: string | null;
}

/** Where audit records go. Neither method throws. */
export interface AuditOutput {
  /** Writes a line now or later. Drops and counts it when too many wait. */
  write(line: string): void;
  /** Writes a line now or not at all. @returns whether it is written */
  writeNow(line: string): boolean;
  /** Whether the next line can be expected to be written. */
  canWrite(): boolean;
}

/** Audit records on a stream that they share with others. What the stream takes counts as written. */
export function auditOn(stream: LineStream & { readonly isFull?: boolean }): AuditOutput {
  return {
    write: (line) => void stream.write(line),
    writeNow: (line) => (stream.write(line) as unknown) !== false,
    canWrite: () => stream.isFull !== true,
  };
}

/** Writes the audit stream of a process. */
export class AuditLog {
  readonly #output: AuditOutput;
  readonly #wallMs: Clock;
  #isRequired = false;

  constructor(output: AuditOutput, wallMs: Clock) {
    this.#output = output;
    this.#wallMs = wallMs;
  }

  /** Applies the section `log`. */
  configure({ onAuditFailure }: Pick<LogConfig, 'onAuditFailure'>): void {
    this.#isRequired = onAuditFailure === 'refuse';
  }

  /**
   * Writes an event. Never fails: what was refused or taken away stays so, whether or not it can be recorded. A record
   * that cannot be written now waits.
   */
  write(event: AuditEvent, source: AuditSource): void {
    this.#output.write(this.#line(event, source));
  }

  /**
   * Asks before something is granted whether it can be recorded.
   *
   * @throws DependencyFault `audit_unavailable` when it has to be recorded and cannot be
   */
  assertReady(): void {
    if (this.#isRequired && !this.#output.canWrite()) throw new DependencyFault('audit_unavailable', NOT_WRITTEN);
  }

  /**
   * Writes an event that grants something. The caller takes back what it has granted when this throws.
   *
   * @throws DependencyFault `audit_unavailable` when the event has to be recorded and cannot be
   */
  grant(event: AuditGrant, source: AuditSource): void {
    const line = this.#line(event, source);
    const { event: wanted, subject }: { readonly event: string; readonly subject: string } = event;
    if (!this.#isRequired) this.#output.write(line);
    if (!this.#isRequired || this.#output.writeNow(line)) return;
    this.write({ event: 'unrecorded_refused', wanted, subject }, source);
    throw new DependencyFault('audit_unavailable', NOT_WRITTEN);
  }

  /** Writes `denied` for a finished exchange that its route refused, unless the browser made the request by itself. */
  recordDenial(exchange: FinishedRequest): void {
    const { route, reason, note, principal, method, screened } = exchange;
    if (route === null || reason === null || !isRefusal(reason) || isUnasked(exchange)) return;
    const subject = principal?.subject ?? null;
    const subjectIssuer = principal?.credential?.presentedIssuer ?? null;
    const request = { method, host: screened?.host ?? null, path: screened?.target.path ?? null };
    const why = { reason, note, subject, subjectIssuer };
    this.write({ event: 'denied', route: route.id, ...request, ...why }, auditSource(exchange));
  }

  #line(event: AuditEvent, { requestId, client }: AuditSource): string {
    const time = toTimestamp(this.#wallMs());
    const record = { level: 'info', time, stream: 'audit', ...event, id: requestId, client, msg: event.event };
    return `${JSON.stringify(record)}\n`;
  }
}

const NOT_WRITTEN = 'the audit stream cannot be written';

/** What browsers and crawlers ask every host for by themselves. */
const UNASKED_PATHS = new Set([
  '/favicon.ico',
  '/robots.txt',
  '/apple-touch-icon.png',
  '/apple-touch-icon-precomposed.png',
]);
const WITHOUT_SESSION = new Set<Reason>(['credential_missing', 'session_unknown', 'session_expired']);

/** Whether a request without a session was sent by the browser itself, not by a user. */
const isUnasked = ({ reason, screened }: FinishedRequest): boolean =>
  reason !== null && WITHOUT_SESSION.has(reason) && screened !== null && UNASKED_PATHS.has(screened.target.path);

/** An exchange as the source of an event. */
const auditSource = ({ id, screened, peer }: FinishedRequest): AuditSource => ({
  requestId: id,
  client: screened?.clientAddress ?? peer.address,
});

/** Refused for what the request was: not a fault, not a client that left, not overload. */
const isRefusal = (reason: Reason): boolean => {
  const { status } = REASONS[reason];
  return status >= 400 && status < 499;
};
