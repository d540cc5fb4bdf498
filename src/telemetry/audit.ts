/**
 * The audit stream: who logged in and out, what was revoked, who was refused what. An event is written out as a literal
 * of the type below where it happens, so that nothing gets in that has no name there: no session id, no token, no
 * password, and no account name that does not exist, since people type passwords into the wrong field.
 */

import { type DenialReason, REASONS, type Reason } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Logger } from './log.ts';

/** What happened. `handle` names a session without opening it. */
export type AuditEvent =
  | {
      readonly event: 'login';
      readonly subject: string;
      readonly handle: string;
      readonly method: string;
      /** The account of the users file, or the trusted backend. */
      readonly account: string;
      /** The session that this one took the place of; `null` when there was none. */
      readonly replaced: string | null;
    }
  | {
      readonly event: 'login_failed';
      readonly method: string;
      /** `null` when there is no such account. */
      readonly account: string | null;
      readonly reason: DenialReason;
      /** Fixed words: which rule. */
      readonly note: string;
    }
  | { readonly event: 'login_throttled'; readonly method: string; readonly account: string | null }
  | { readonly event: 'logout'; readonly subject: string; readonly handle: string }
  | { readonly event: 'logout_all'; readonly subject: string; readonly handles: readonly string[] }
  | {
      readonly event: 'session_revoked';
      readonly by: 'user' | 'operator';
      readonly subject: string;
      readonly handle: string;
    }
  | {
      readonly event: 'refresh_begun';
      readonly subject: string;
      readonly handle: string;
      /** Names the family without being a token of it. */
      readonly family: string;
      readonly kind: string;
    }
  | {
      /** A token was used again after its time: somebody has a copy. The family and the session have ended. */
      readonly event: 'refresh_reuse_detected';
      readonly subject: string;
      readonly handle: string;
      readonly family: string;
      readonly kind: string;
      /** Which token came again, and which is the present one: 0 is that of the login. */
      readonly generation: number;
      readonly presentGeneration: number;
    }
  | {
      readonly event: 'refresh_refused';
      readonly reason: DenialReason;
      /** Fixed words: which rule. */
      readonly note: string;
    }
  | {
      /** A client got a token that stands for a user or another service, in exchange for one that it had received. */
      readonly event: 'token_exchanged';
      /** Of the token endpoint. */
      readonly clientId: string;
      readonly subject: string;
      readonly audience: string;
      readonly scopes: readonly string[];
      readonly jti: string;
      /** The session that the token stands for; `null` when it stands for none. */
      readonly handle: string | null;
      /** Who acts for the subject, the last one first. */
      readonly actors: readonly string[];
    }
  | {
      /** A client got a token of its own. */
      readonly event: 'token_issued';
      readonly clientId: string;
      readonly subject: string;
      readonly audience: string;
      readonly scopes: readonly string[];
      readonly jti: string;
    }
  | {
      readonly event: 'token_refused';
      /** `null` when none was authenticated. */
      readonly clientId: string | null;
      readonly grant: string;
      /** One of the configuration; `null` when none of those was asked for. */
      readonly audience: string | null;
      /** `null` before it was verified. */
      readonly subject: string | null;
      readonly reason: Reason;
      /** Fixed words: which rule; `null` when something was broken. */
      readonly note: string | null;
    }
  | {
      /** Tokens are refused from now on: one, those of a session, or those of a subject that were issued before. */
      readonly event: 'token_revoked';
      readonly by: 'operator';
      readonly kind: 'token' | 'session' | 'subject';
      /** Each is `null` where the revocation is not by it. */
      readonly jti: string | null;
      readonly handle: string | null;
      readonly subject: string | null;
      readonly issuer: string | null;
      /** Until when it is on record. */
      readonly until: string;
    }
  | {
      readonly event: 'denied';
      readonly route: string;
      readonly reason: string;
      readonly note: string | null;
      /** `null` when nobody was authenticated. */
      readonly subject: string | null;
    };

/** Where an event came from. */
export interface AuditSource {
  /** Id of the request, as in the access log; `null` for what no request asked for. */
  readonly requestId: string | null;
  /** Address of the client; `null` when there is none. */
  readonly client: string | null;
}

export class AuditLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Writes an event. */
  write(event: AuditEvent, { requestId, client }: AuditSource): void {
    this.#log.info({ ...event, id: requestId, client }, event.event);
  }

  /** Writes that a finished exchange was refused on its route, if it was. */
  recordDenial(exchange: Exchange): void {
    const { route, reason, note, principal } = exchange;
    if (route === null || reason === null || !isRefusal(reason)) return;
    this.write(
      { event: 'denied', route: route.id, reason, note, subject: principal?.subject ?? null },
      auditSource(exchange),
    );
  }
}

/** An exchange as the source of an event. */
const auditSource = ({ id, screened, peer }: Exchange): AuditSource => ({
  requestId: id,
  client: screened?.clientAddress ?? peer.address,
});

/** Refused as designed, by what the request was: not a fault, not a client that left, not too busy. */
const isRefusal = (reason: NonNullable<Exchange['reason']>): boolean => {
  const { status } = REASONS[reason];
  return status >= 400 && status < 499;
};
