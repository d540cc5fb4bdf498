/**
 * What a user allowed the command line, as the store keeps it behind a code: from the request until some time after the code
 * was redeemed, so that a second use of it is noticed.
 *
 * `pending` (device grant only) → `approved` or `denied`; `approved` → `claimed` by the one request that may redeem it →
 * `redeemed`. A code that is presented again is `spent`, and the session that it opened ends (RFC 6749 §4.1.2).
 */

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { isSessionHandle, type SessionHandle } from '../../jwt/names.ts';
import { jsonOf } from '../../lib/text/json.ts';
import type { CodeStore } from '../../store/store.ts';

const handle = () => z.custom<SessionHandle>((value) => typeof value === 'string' && isSessionHandle(value));

/** What is kept. Unknown forms, for example of a later version, count as no code at all. */
const approvalSchema = z.discriminatedUnion('state', [
  z.strictObject({
    state: z.literal('pending'),
    expiresAtMs: z.number(),
    /** When, from which address and by which program it was asked for. */
    askedAtMs: z.number(),
    address: z.string(),
    device: z.string(),
  }),
  z.strictObject({ state: z.literal('denied') }),
  z.strictObject({
    state: z.literal('approved'),
    expiresAtMs: z.number(),
    /** Handle of the browser's session. */
    session: handle(),
    /** What the code is bound to; `null` for a device code, which is in no address. */
    binding: z.strictObject({ redirectUri: z.string(), challenge: z.string() }).nullable(),
  }),
  z.strictObject({ state: z.literal('claimed'), by: z.string() }),
  z.strictObject({ state: z.literal('redeemed'), session: handle() }),
  z.strictObject({ state: z.literal('spent') }),
]);

/** The state of a code. */
export type Approval = z.output<typeof approvalSchema>;
/** One of the states. */
type In<S extends Approval['state']> = Extract<Approval, { state: S }>;

/** An approval as it was read: the text is what a change compares with. */
export interface ReadApproval {
  readonly key: string;
  readonly text: string;
  readonly approval: Approval;
}

/** For how long a code is remembered after its end, so that its second use is noticed. */
const REMEMBERED_MS = 10 * 60_000;

/** The approvals of all replicas. Faults are those of the store. */
export class Approvals {
  readonly #codes: CodeStore;

  constructor(codes: CodeStore) {
    this.#codes = codes;
  }

  /** Adds an approval under a new key. */
  async add(key: string, approval: In<'pending' | 'approved'>, ttlMs: number): Promise<void> {
    await this.#codes.add(key, JSON.stringify(approval), ttlMs + REMEMBERED_MS);
  }

  /** The approval under a key; `null` when there is none. */
  async read(key: string): Promise<ReadApproval | null> {
    const text = await this.#codes.read(key);
    const approval = text === null ? null : parse(text);
    return text === null || approval === null ? null : { key, text, approval };
  }

  /**
   * The user decides about a pending request.
   *
   * @param ttlMs  how long the terminal may still ask
   * @returns `false` when it is not pending any more
   */
  async decide({ key, text }: ReadApproval, decision: In<'approved' | 'denied'>, ttlMs: number): Promise<boolean> {
    return this.#codes.replace(key, text, JSON.stringify(decision), ttlMs + REMEMBERED_MS);
  }

  /**
   * Claims an approval, for one caller.
   *
   * @returns the claim, or `null` when another request was first
   */
  async claim({ key, text }: ReadApproval): Promise<ReadApproval | null> {
    const approval: Approval = { state: 'claimed', by: randomBytes(16).toString('base64url') };
    const claimed = JSON.stringify(approval);
    const isFirst = await this.#codes.replace(key, text, claimed, REMEMBERED_MS);
    return isFirst ? { key, text: claimed, approval } : null;
  }

  /** Records the session that was opened for a claim. @returns `false` when the code was presented again meanwhile */
  async redeemed({ key, text }: ReadApproval, session: SessionHandle): Promise<boolean> {
    return this.#codes.replace(key, text, JSON.stringify({ state: 'redeemed', session }), REMEMBERED_MS);
  }

  /**
   * A code is presented again.
   *
   * @returns the session that it opened and that has to end; `null` when it opened none, or will open none
   */
  async spend(key: string): Promise<SessionHandle | null> {
    for (;;) {
      const reading = await this.read(key);
      if (reading === null || reading.approval.state === 'spent') return null;
      const spent = JSON.stringify({ state: 'spent' });
      if (!(await this.#codes.replace(key, reading.text, spent, REMEMBERED_MS))) continue;
      return reading.approval.state === 'redeemed' ? reading.approval.session : null;
    }
  }
}

const parse = (text: string): Approval | null => approvalSchema.safeParse(jsonOf(text)).data ?? null;
