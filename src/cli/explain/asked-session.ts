/** The session that `explain --session` describes: the attributes of its user, and how they logged in. */

import type { JSONType } from '../../lib/text/json.ts';
import { didYouMean } from '../../lib/text/nearest.ts';
import { parseDurationMs } from '../../lib/text/units.ts';
import { subjectAtProvider, type UserAttributes } from '../../store/session-record.ts';
import { UsageFault } from '../command.ts';

/** A user whose session is to be presented. */
export interface AskedSession {
  readonly subject: string;
  readonly user: UserAttributes;
  /** What an identity provider said at the login; `null` for a login with a password. */
  readonly provider: AskedProvider | null;
  /** How long ago the user authenticated. */
  readonly authAgeMs: number;
}

interface AskedProvider {
  readonly name: string;
  /** The user's, at the provider. */
  readonly subject: string;
  readonly acr: string | null;
  readonly amr: readonly string[];
}

/**
 * Reads pairs: `provider`, `acr`, `amr` and `authAge` say how the user logged in, `subject` names the user, and the others are
 * attributes. `acr` and `amr` without `provider` belong to the only provider.
 *
 * @param providers  the names in `login.oidc`
 * @throws UsageFault
 */
export function readAskedSession(
  pairs: Readonly<Record<string, JSONType>>,
  providers: readonly string[],
): AskedSession {
  const { subject: asked = 'user', provider, acr, amr, authAge, ...user } = pairs;
  const subject = String(asked);
  const authAgeMs = authAge === undefined ? 0 : parseDurationMs(String(authAge));
  if (authAgeMs === null) throw new UsageFault('authAge is a duration, such as authAge=10m');
  if (provider === undefined && acr === undefined && amr === undefined)
    return { subject, user, provider: null, authAgeMs };
  const name = providerName(provider === undefined ? null : String(provider), providers);
  return {
    subject: subjectAtProvider(name, subject),
    user,
    provider: {
      name,
      subject,
      acr: acr === undefined ? null : String(acr),
      amr: amr === undefined ? [] : [amr].flat().map(String),
    },
    authAgeMs,
  };
}

function providerName(asked: string | null, known: readonly string[]): string {
  if (asked !== null && known.includes(asked)) return asked;
  const [only, ...others] = known;
  if (asked === null && only !== undefined && others.length === 0) return only;
  const list = known.join(', ') || 'none';
  if (asked === null)
    throw new UsageFault(`acr and amr come from an identity provider: write provider=…, one of ${list}`);
  throw new UsageFault(`${JSON.stringify(asked)} is not one of login.oidc (${list})${didYouMean(asked, known)}`);
}
