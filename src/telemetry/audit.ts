/**
 * The audit stream: logins, logouts, revocations and refusals. Code that writes an event writes a literal of the type
 * below, so nothing gets into the stream that has no name there: no session id, no token, no password, and no account
 * name that does not exist, since people type passwords into the wrong field.
 */

import { type DenialReason, DependencyFault, REASONS, type Reason } from '../errors.ts';
import type { Jti, SessionHandle } from '../jwt/names.ts';
import type { PresentedIssuer } from '../jwt/subject.ts';
import type { WithoutSecrets } from '../lib/brand.ts';
import type { Clock } from '../lib/clock.ts';
import { toTimestamp } from '../lib/timestamp.ts';
import type { FinishedRequest } from './finished-request.ts';
import type { LineStream } from './log.ts';

/** An event. A `handle` names a session without opening it; a session id or a token is not accepted as any text. */
type AuditEvent = WithoutSecrets<Event>;

type Event =
  | {
      readonly event: 'login';
      readonly subject: string;
      readonly handle: SessionHandle;
      /** `password`, `backend`, `oidc`, `commandLine`. */
      readonly method: string;
      /**
       * The account of the users file, the trusted backend, the identity provider, or the handle of the session in which a
       * command line was allowed in.
       */
      readonly account: string;
      /** The session that this one replaced; `null` when there was none. */
      readonly replaced: SessionHandle | null;
      /** The oldest sessions of the user, which ended because there would have been more than `session.maxPerUser`. */
      readonly displaced: readonly SessionHandle[];
    }
  | {
      readonly event: 'login_failed';
      readonly method: string;
      /** `null` when there is no such account. At an identity provider: its name. */
      readonly account: string | null;
      /** A fault where something is broken, so that nobody can log in this way. */
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    }
  | {
      /** A login was handed over from the login origin to another one, where the session has a cookie from now on. */
      readonly event: 'login_handed_over';
      readonly subject: string;
      readonly handle: SessionHandle;
      readonly origin: string;
    }
  | {
      readonly event: 'hand_over_refused';
      /** A fault where something is broken, so that nobody was logged in. */
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    }
  | { readonly event: 'login_throttled'; readonly method: string; readonly account: string | null }
  | { readonly event: 'logout'; readonly subject: string; readonly handle: SessionHandle }
  | { readonly event: 'logout_all'; readonly subject: string; readonly handles: readonly SessionHandle[] }
  | {
      /** An identity provider has ended sessions, by a logout token. */
      readonly event: 'backchannel_logout';
      readonly provider: string;
      /** `null` where the token names a session at the provider and no user. */
      readonly subject: string | null;
      /** Of the sessions that ended. */
      readonly handles: readonly SessionHandle[];
    }
  | {
      /** The logout page of an identity provider has ended sessions, by a frame. */
      readonly event: 'frontchannel_logout';
      readonly provider: string;
      readonly handles: readonly SessionHandle[];
    }
  | {
      readonly event: 'backchannel_logout_refused';
      readonly provider: string;
      /** A fault where something is broken, so that nobody was logged out. */
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    }
  | {
      /** An identity provider was asked again, and attributes of a session have changed. */
      readonly event: 'session_changed';
      readonly provider: string;
      readonly subject: string;
      readonly handle: SessionHandle;
    }
  | {
      /** An identity provider was asked again, and a session has ended: the user would no longer be let in. */
      readonly event: 'revalidation_refused';
      readonly provider: string;
      readonly subject: string;
      readonly handle: SessionHandle;
      readonly reason: DenialReason;
      /** Fixed words that name the rule. */
      readonly note: string;
    }
  | {
      readonly event: 'session_revoked';
      readonly by: 'user' | 'operator';
      readonly subject: string;
      readonly handle: SessionHandle;
    }
  | {
      readonly event: 'refresh_begun';
      readonly subject: string;
      readonly handle: SessionHandle;
      /** Names the family without being a token of it. */
      readonly family: string;
      /** `browser`, `native`. */
      readonly kind: string;
    }
  | {
      /** A replaced token was used again after its grace: someone has a copy. The family and its session have ended. */
      readonly event: 'refresh_reuse_detected';
      readonly subject: string;
      readonly handle: SessionHandle;
      readonly family: string;
      readonly kind: string;
      /** Which token was used again, and which is the present one: 0 is the token of the login. */
      readonly generation: number;
      readonly presentGeneration: number;
    }
  | {
      readonly event: 'refresh_refused';
      readonly reason: DenialReason;
      /** Fixed words that name the rule. */
      readonly note: string;
    }
  | {
      /** A user let the command line in, in a browser. */
      readonly event: 'command_line_approved';
      readonly subject: string;
      /** The session of the browser. */
      readonly handle: SessionHandle;
      /** `authorization_code`, `device_code`. */
      readonly grant: string;
    }
  | {
      readonly event: 'command_line_denied';
      readonly subject: string;
      /** The session of the browser. */
      readonly handle: SessionHandle;
      /** `authorization_code`, `device_code`. */
      readonly grant: string;
    }
  | {
      readonly event: 'command_line_refused';
      readonly grant: string;
      /** `null` where no user is known. */
      readonly subject: string | null;
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    }
  | {
      /** A code of the command line was presented again: someone has a copy. */
      readonly event: 'code_reuse_detected';
      readonly grant: string;
      /** The session that the code had opened, which has ended; `null` when it had opened none. */
      readonly handle: SessionHandle | null;
    }
  | {
      /** A client exchanged a token that it had received for one that stands for the same user or service. */
      readonly event: 'token_exchanged';
      /** A client of the token endpoint. */
      readonly clientId: string;
      readonly subject: string;
      /** The issuer of the subject; `null` for this gateway. */
      readonly subjectIssuer: PresentedIssuer | null;
      readonly audience: string;
      readonly scopes: readonly string[];
      readonly jti: Jti;
      /** The session that the token stands for; `null` when it stands for none. */
      readonly handle: SessionHandle | null;
      /** Who acts for the subject, the most recent actor first. */
      readonly actors: readonly string[];
      /** The issuer of each of them; `null` for this gateway. */
      readonly actorIssuers: readonly (PresentedIssuer | null)[];
    }
  | {
      /** A client got a token that stands for itself. */
      readonly event: 'token_issued';
      readonly clientId: string;
      readonly subject: string;
      readonly audience: string;
      readonly scopes: readonly string[];
      readonly jti: Jti;
    }
  | {
      readonly event: 'token_refused';
      /** `null` when no client was authenticated. */
      readonly clientId: string | null;
      readonly grant: string;
      /** An audience of the configuration; `null` when the client asked for none of them. */
      readonly audience: string | null;
      /** `null` when the subject token was not verified. */
      readonly subject: string | null;
      /** The issuer of the subject; `null` for this gateway, or where it is unknown. */
      readonly subjectIssuer: PresentedIssuer | null;
      readonly reason: Reason;
      /** Fixed words that name the rule; `null` when something was broken. */
      readonly note: string | null;
    }
  | {
      /** Tokens are refused from now on: one token, those of a session, or those issued to a subject before now. */
      readonly event: 'token_revoked';
      readonly by: 'operator';
      readonly kind: 'token' | 'session' | 'subject';
      /** Each is `null` unless it identifies the revoked tokens. */
      readonly jti: Jti | null;
      readonly handle: SessionHandle | null;
      readonly subject: string | null;
      readonly issuer: string | null;
      /** When the revocation is forgotten: no such token can be alive then. */
      readonly until: string;
    }
  | {
      /** Something that would have been granted was refused, because its own record could not be written. */
      readonly event: 'unrecorded_refused';
      /** The event that was not recorded. */
      readonly wanted: string;
      readonly subject: string;
    }
  | {
      readonly event: 'denied';
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

/** Where an event came from. */
export interface AuditSource {
  /** Id of the request, as in the access log; `null` when no request caused the event. */
  readonly requestId: string | null;
  /** Address of the client; `null` when there is none. */
  readonly client: string | null;
}

/** Where audit records go. Neither method throws. */
export interface AuditOutput {
  /** Takes a line: now, later, or, when there is no room for more of them, never, which is counted. */
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

/** What a login or a token needs of the audit stream. */
type OnAuditFailure = 'serve' | 'refuse';

/** Events that grant something. They are refused when they have to be recorded and cannot be. */
type Grant = Extract<
  Event,
  { readonly event: 'login' | 'login_handed_over' | 'refresh_begun' | 'token_exchanged' | 'token_issued' }
>;

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
  configure({ onAuditFailure }: { readonly onAuditFailure: OnAuditFailure }): void {
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
  grant(event: WithoutSecrets<Grant>, source: AuditSource): void {
    const line = this.#line(event, source);
    if (!this.#isRequired) this.#output.write(line);
    if (!this.#isRequired || this.#output.writeNow(line)) return;
    this.write({ event: 'unrecorded_refused', wanted: event.event, subject: event.subject }, source);
    throw new DependencyFault('audit_unavailable', NOT_WRITTEN);
  }

  /** Writes `denied` for a finished exchange that its route refused, unless nobody meant to make the request; nothing else. */
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
