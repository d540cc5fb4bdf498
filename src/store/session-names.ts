/**
 * The names by which sessions are found besides their handles, when several end at once. Names of different sorts are
 * never equal.
 */

import { type SessionRecord, subjectAtProvider } from './session-record.ts';

/** A provider's logout that overtakes a login ends it too, if the login comes within this time. */
export const OVERTAKEN_WITHIN_MS = 30_000;

/** Finds the sessions of a subject. */
export const nameOfSubject = (subject: string): string => JSON.stringify([subject]);

/** Finds those of one session at a provider. */
export const nameOfSid = (provider: string, sid: string): string => JSON.stringify([provider, 'sid', sid]);

/** Finds those of a user at a provider whose subject does not say so. */
export const nameOfUser = (provider: string, subject: string): string => JSON.stringify([provider, 'subject', subject]);

/** Every name that a session is found by. */
export function namesOf({ subject, login }: SessionRecord): string[] {
  const names = [nameOfSubject(subject)];
  if (login === null) return names;
  if (login.sid !== null) names.push(nameOfSid(login.provider, login.sid));
  if (subject !== subjectAtProvider(login.provider, login.subject))
    names.push(nameOfUser(login.provider, login.subject));
  return names;
}
