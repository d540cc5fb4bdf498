/**
 * Whether a refresh token gets an access token, and which refresh token comes after it
 * (docs/adr/0008-refresh-families.md).
 *
 * Everything that can fail comes before the rotation: reading the session, recording its use, signing the access token. After
 * the rotation, only the answer is left.
 */

import type { Sessions } from '../../authentication/session/sessions.ts';
import { Denial, rateLimited } from '../../errors.ts';
import { clientNetwork } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { UserPrincipal } from '../../principal.ts';
import {
  judge,
  type RefreshClient,
  type RefreshFamily,
  type RefreshFamilyReading,
} from '../../store/refresh-family.ts';
import type { AttemptStore, RefreshFamilies, ThrottleRule } from '../../store/store.ts';
import type { AccessTokens, TokenDocument } from './access-tokens.ts';
import { newSeed, parseRefreshToken, type RefreshToken, successorOf } from './refresh-token.ts';

const refused = (note: string) => new Denial('refresh_token_refused', note);
const MALFORMED = refused('not the form of a refresh token');
const UNKNOWN = refused('no such refresh token');
const OTHER_CLIENT = refused('refresh token of another kind of client');
const OTHER_SESSION = refused('refresh token without the cookie of its session, or with that of another one');
const SESSION_ENDED = refused('session of the refresh token has ended');
const REUSED = new Denial('refresh_token_reused', 'refresh token was replaced before: its session ends');

/**
 * How a refresh ended. `rotated`, `replayed` (within the grace) and `kept` (too young to be replaced) are answered with
 * tokens. `misplaced`: a token of another kind of client or another session. `invalid`: not a request for a refresh.
 */
export const REFRESH_RESULTS = [
  'rotated',
  'replayed',
  'kept',
  'invalid',
  'malformed',
  'unknown',
  'misplaced',
  'session_ended',
  'reused',
  'throttled',
  'failed',
] as const;
/** See {@link REFRESH_RESULTS}. */
type RefreshResult = (typeof REFRESH_RESULTS)[number];

/** A refresh as it is requested, untrusted. */
interface RefreshRequest {
  readonly token: string;
  readonly client: RefreshClient;
  /** Handle that the session cookie of the request stands for; `null` when it has none. */
  readonly session: string | null;
  /** Address of the client, in plain form. */
  readonly address: string;
  readonly scopes: ReadonlySet<string>;
  /** Called before the token is replaced; throws when the client has left and cannot take the successor. */
  readonly beforeRotation: () => void;
  /** A family ends because of this request. Called before its session is ended, which may fail. */
  readonly onReuse: (reuse: Reuse) => void;
}

/** A token that was used again after its time. */
export interface Reuse {
  readonly family: RefreshFamily;
  readonly generation: number;
  readonly subject: string;
}

/** The result of a refresh. */
export type Refreshed =
  | {
      readonly result: Extract<RefreshResult, 'rotated' | 'replayed' | 'kept'>;
      readonly user: UserPrincipal;
      readonly document: TokenDocument;
      readonly refreshToken: string;
    }
  | {
      readonly result: Exclude<RefreshResult, 'rotated' | 'replayed' | 'kept'>;
      readonly denial: Denial;
    };

interface RefresherParts {
  readonly families: RefreshFamilies;
  readonly attempts: AttemptStore;
  readonly sessions: Sessions;
  readonly accessTokens: AccessTokens;
  readonly graceMs: number;
  /** How addresses that present tokens of no family are slowed. */
  readonly perAddress: ThrottleRule;
  readonly wallMs: Clock;
}

/** Exchanges refresh tokens for access tokens. */
export class Refresher {
  readonly #parts: RefresherParts;

  constructor(parts: RefresherParts) {
    this.#parts = parts;
  }

  /**
   * Refreshes.
   *
   * @throws DependencyFault `store_unavailable` | `signing_key_unavailable`, as a rejection: the token stays good, or
   *   gets its successor when it is presented again within the grace
   */
  async refresh(request: RefreshRequest): Promise<Refreshed> {
    const token = parseRefreshToken(request.token);
    if (token === null) return { result: 'malformed', denial: MALFORMED };
    const reading = await this.#parts.families.read(token.familyHandle);
    if (reading === null) return this.#unknown(request);
    const { family } = reading;
    if (family.client !== request.client) return { result: 'misplaced', denial: OTHER_CLIENT };
    if (isOfOtherSession(request, family)) return { result: 'misplaced', denial: OTHER_SESSION };
    if (family.isEnded) return this.#endForReuse(family);
    if (judge(family, token, reading.asOfMs, this.#parts.graceMs) === 'unknown') return this.#unknown(request);
    return this.#refresh(request, token, reading);
  }

  async #refresh(request: RefreshRequest, token: RefreshToken, reading: RefreshFamilyReading): Promise<Refreshed> {
    const { families, sessions, accessTokens } = this.#parts;
    const { family } = reading;
    const user = await sessions.renew(family.session);
    if (user instanceof Denial) {
      // If this fails, the family expires by its time to live.
      await families.end(family.handle).catch(() => {});
      return { result: 'session_ended', denial: SESSION_ENDED };
    }
    const document = await accessTokens.issue(user, request.scopes);
    request.beforeRotation();
    const { result, successor } = await this.#successor(token, reading);
    if (successor !== null) return { result, user, document, refreshToken: successor.text };
    if (result === 'unknown') return this.#unknown(request);
    if (result === 'reused') request.onReuse({ family, generation: token.generation, subject: user.subject });
    return this.#endForReuse(family);
  }

  /** The token that follows this one, if any. The store is asked only if the reading does not say. */
  async #successor(token: RefreshToken, reading: RefreshFamilyReading): Promise<Succession> {
    const { families, graceMs } = this.#parts;
    const { seed } = reading.family;
    const judgement = judge(reading.family, token, reading.asOfMs, graceMs);
    if (judgement === 'kept') return { result: 'kept', successor: token };
    if (judgement === 'replayed' && seed !== null) return { result: 'replayed', successor: successorOf(token, seed) };
    const newer = newSeed();
    const proposed = { seed: newer, digest: successorOf(token, newer).digest };
    const rotation = await families.rotate(reading, token, proposed, graceMs);
    switch (rotation.outcome) {
      case 'rotated':
      case 'replayed':
        return { result: rotation.outcome, successor: successorOf(token, rotation.seed) };
      case 'kept':
        return { result: 'kept', successor: token };
      default:
        return { result: rotation.outcome, successor: null };
    }
  }

  /** Counts a guess. Only guesses are slowed: others at the same address never keep a good token out. */
  async #unknown({ address }: RefreshRequest): Promise<Refreshed> {
    const { attempts, perAddress, wallMs } = this.#parts;
    const waitMs = await attempts.begin(`refresh:${clientNetwork(address)}`, perAddress, wallMs());
    if (waitMs === 0) return { result: 'unknown', denial: UNKNOWN };
    return { result: 'throttled', denial: rateLimited('too many unknown refresh tokens from the address', waitMs) };
  }

  /** Ends the session first: until then the family stays, and the next token of it that is presented does this again. */
  async #endForReuse(family: RefreshFamily): Promise<Refreshed> {
    await this.#parts.sessions.end(family.session, 'refresh_reuse');
    await this.#parts.families.end(family.handle).catch(() => {});
    return { result: 'reused', denial: REUSED };
  }
}

type Succession =
  | { readonly result: 'rotated' | 'replayed' | 'kept'; readonly successor: RefreshToken }
  | { readonly result: 'unknown' | 'reused' | 'ended'; readonly successor: null };

/** A browser has to send the session's cookie, too; a native app has none, but if it sends one, it must be of that session. */
const isOfOtherSession = ({ client, session }: RefreshRequest, family: RefreshFamily): boolean =>
  client === 'browser' || session !== null ? session !== family.session : false;
