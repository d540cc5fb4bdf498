/** A session as a kind of credential: the cookie that a browser got at login. */

import { z } from 'zod';
import { Denial } from '../../errors.ts';
import { SESSION_CHALLENGE } from '../../lib/http/challenge.ts';
import type { Accepted, CredentialKind } from '../kind.ts';

/** The session of any user is accepted. */
export interface AcceptedSession extends Accepted {
  readonly kind: SessionKind;
}

interface SessionKind extends CredentialKind<AcceptedSession> {
  readonly name: 'session';
}

const isOptional = (written: unknown) => typeof written === 'object' && written !== null && 'session' in written;

/** The kind. */
export const SESSION: SessionKind = Object.freeze<SessionKind>({
  name: 'session',
  noun: 'a session cookie',
  carrier: 'a session cookie',
  isInAuthorization: false,
  comesFromLogin: true,
  isToken: false,
  isAmbient: true,
  isUnknownToCaches: true,
  ending: {
    denial: new Denial('session_unknown', 'session ended while a stream of it was open'),
    closeReason: 'session ended',
    label: 'session',
  },
  written: {
    forms: [
      { text: 'session', schema: () => z.literal('session'), description: 'A session cookie.' },
      { text: '{ session: optional }', schema: optionalSchema, description: null },
    ],
    read: (written) =>
      written === 'session' || isOptional(written)
        ? { accepted: ACCEPTED_SESSION, isOptional: isOptional(written) }
        : null,
  },
  isPresentedIn: ({ sessionCookie }) => sessionCookie !== null,
});

const ACCEPTED_SESSION: AcceptedSession = Object.freeze<AcceptedSession>({
  kind: SESSION,
  words: 'session',
  challenge: () => SESSION_CHALLENGE,
});

function optionalSchema() {
  return z.strictObject({
    session: z
      .literal('optional')
      .meta({ description: 'A session if there is one; else the request passes without a token.' }),
  });
}
