/**
 * Turns an approval into a session of the terminal's own, and the first tokens of its refresh family. The session lasts no longer than
 * the one in which the user approved it, and each of the two can end without the other.
 */

import { Denial, rateLimited } from '../../errors.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import { clientNetwork } from '../../lib/address.ts';
import { verifies } from '../../lib/crypto/pkce.ts';
import type { SessionRecord } from '../../store/session-record.ts';
import type { AttemptStore } from '../../store/store.ts';
import type { AuditSource } from '../../telemetry/audit.ts';
import type { EndpointParts } from '../parts.ts';
import type { Refresh } from '../refresh/open-refresh.ts';
import type { Approval, Approvals, ReadApproval } from './approvals.ts';
import type { CommandLineGrant } from './series.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditEvents {
    /** A code of the command line was presented again: someone has a copy. */
    readonly code_reuse_detected: {
      readonly grant: string;
      /** The session that the code had opened, which has ended; `null` when it had opened none. */
      readonly handle: SessionHandle | null;
    };
  }
}

const refused = (note: string) => new Denial('code_refused', note);
const UNKNOWN = refused('no such code');
const EXPIRED = refused('code has expired');
const OTHER_REDIRECT_URI = refused('redirect_uri is not that of the authorization request');
const WRONG_VERIFIER = refused('code_verifier is not that of the challenge');
const SESSION_ENDED = refused('session in which the login was approved has ended');
const REUSED = new Denial('code_reused', 'code was presented before: what it opened has ended');

/** A terminal that presents a code. */
export interface Terminal {
  /** Address of the client, in plain form. */
  readonly address: string;
  /** What its user recognises it by. */
  readonly device: string;
  readonly source: AuditSource;
  /** Throws when the client has left and cannot take the tokens. */
  readonly assertPresent: () => void;
}

interface RedeemerParts {
  readonly login: EndpointParts;
  readonly refresh: Refresh;
  readonly approvals: Approvals;
  readonly attempts: AttemptStore;
}

/** Redeems codes. */
export class Redeemer {
  readonly #parts: RedeemerParts;

  constructor(parts: RedeemerParts) {
    this.#parts = parts;
  }

  /**
   * Redeems an authorization code. Every presentation uses it up, a wrong one included.
   *
   * @param code  untrusted, as the others are
   * @returns the answer (RFC 6749 §5.1) as JSON, or a Denial `code_refused` | `code_reused` | `rate_limited`
   * @throws DependencyFault, as a rejection: what the code opened has ended again
   */
  async redeemCode(code: string, redirectUri: string, verifier: string, terminal: Terminal): Promise<string | Denial> {
    const reading = await this.#parts.approvals.read(codeKey(code));
    if (reading === null) return this.unknown(terminal);
    return this.redeem('authorization_code', reading, terminal, ({ binding }) => {
      if (binding?.redirectUri !== redirectUri) return OTHER_REDIRECT_URI;
      return verifies(verifier, binding.challenge) ? null : WRONG_VERIFIER;
    });
  }

  /**
   * Redeems an approval, once.
   *
   * @param problemOf  what is wrong with how it is presented
   * @returns as {@link redeemCode}
   */
  async redeem(
    grant: CommandLineGrant,
    reading: ReadApproval,
    terminal: Terminal,
    problemOf: (approval: Extract<Approval, { state: 'approved' }>) => Denial | null = () => null,
  ): Promise<string | Denial> {
    const { approvals, login, refresh } = this.#parts;
    const { sessions, wallMs } = login;
    const { approval, key } = reading;
    const claim = approval.state === 'approved' ? await approvals.claim(reading) : null;
    if (approval.state !== 'approved' || claim === null) return this.#reused(grant, key, terminal);
    const problem = wallMs() >= approval.expiresAtMs ? EXPIRED : problemOf(approval);
    if (problem !== null) return problem;
    const browser = await sessions.live(approval.session);
    if (browser === null) return SESSION_ENDED;
    terminal.assertPresent();
    const opened = await this.#open(browser, terminal);
    try {
      const { document } = await refresh.logins.begin('native', opened, terminal.source);
      if (document === null) throw new Error('a native app without tokens');
      if (await approvals.redeemed(claim, opened.record.handle)) return document;
    } catch (fault) {
      sessions.end(opened.record.handle, null).catch(() => {});
      throw fault;
    }
    await sessions.end(opened.record.handle, 'code_reuse');
    return REUSED;
  }

  /** Counts a guess. @returns a Denial `code_refused` | `rate_limited` */
  async unknown({ address }: Terminal): Promise<Denial> {
    const { attempts, refresh, login } = this.#parts;
    const waitMs = await attempts.begin(`code:${clientNetwork(address)}`, refresh.perAddress, login.wallMs());
    return waitMs === 0 ? UNKNOWN : overRate(waitMs);
  }

  async #open(browser: SessionRecord, { device, source }: Terminal) {
    const { opener, wallMs } = this.#parts.login;
    const { subject, user, remembered, expiresAtMs, handle: account, login: provider } = browser;
    const lifetimeMs = Math.max(1, expiresAtMs - wallMs());
    const login = { subject, user, method: 'commandLine', device, remembered, lifetimeMs } as const;
    // When the provider ends the session of the browser, it ends this one, too.
    const fromProvider = provider === null ? {} : { login: provider };
    return opener.open({ ...login, ...fromProvider, account, replaces: null }, source);
  }

  async #reused(grant: CommandLineGrant, key: string, { source }: Terminal): Promise<Denial> {
    const { sessions, audit } = this.#parts.login;
    const handle = await this.#parts.approvals.spend(key);
    if (handle !== null) await sessions.end(handle, 'code_reuse');
    audit.write({ event: 'code_reuse_detected', grant, handle }, source);
    return REUSED;
  }
}

/** Where the store keeps an authorization code. */
export const codeKey = (code: string): string => `code:${code}`;

/** A Denial 429. */
export const overRate = (waitMs: number): Denial =>
  rateLimited('too many codes or requests for codes from one address or user', waitMs);
