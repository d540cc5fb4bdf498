/** The JSON description of a session for programs: who and until when, never its id or a token (SES-16). */

import type { Sessions } from '../authentication/session/sessions.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import type { SessionRecord } from '../store/session-record.ts';

/**
 * Writes the JSON document of a session.
 *
 * `idleExpiresAt` is when it ends unless it is used again, as the store knows it; further use may not be written down yet.
 */
export function sessionDocument(record: SessionRecord, sessions: Sessions): string {
  return JSON.stringify({
    subject: record.subject,
    user: record.user,
    method: record.method,
    createdAt: toTimestamp(record.createdAtMs),
    expiresAt: toTimestamp(record.expiresAtMs),
    idleExpiresAt: toTimestamp(sessions.endsAtMs(record)),
  });
}
