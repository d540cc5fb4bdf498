/** What a token request asks for: its form, read strictly (RFC 6749 §3.2, §4.4.2; RFC 8693 §2.1). */

import { Denial } from '../../errors.ts';

/** Parameters by name. One without a value counts as absent (RFC 6749 §3.2). */
export type TokenForm = ReadonlyMap<string, string>;

/** An exchange, or a request for a token of the client's own. */
export type TokenRequest =
  | {
      readonly grant: 'token_exchange';
      readonly subjectToken: string;
      /** What the answer calls the token: both are the same JWT. */
      readonly issuedType: string;
      readonly audience: string | null;
      readonly scopes: ReadonlySet<string> | null;
    }
  | {
      readonly grant: 'client_credentials';
      readonly audience: string | null;
      readonly scopes: ReadonlySet<string> | null;
    };

/** Grants by their metric label; `other` is every one that is not supported, or not named. */
export const GRANTS = ['token_exchange', 'client_credentials', 'other'] as const;
/** One of {@link GRANTS}. */
export type Grant = (typeof GRANTS)[number];

/** `grant_type` values, as discovery lists them. */
export const GRANT_TYPES = ['urn:ietf:params:oauth:grant-type:token-exchange', 'client_credentials'] as const;

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

const invalid = (note: string) => new Denial('token_request_invalid', note);
const NO_GRANT = invalid('no grant_type');
const NO_SUBJECT_TOKEN = invalid('no subject_token');
const SUBJECT_TYPE = invalid('subject_token_type is neither access_token nor jwt');
const REQUESTED_TYPE = invalid('requested_token_type is neither access_token nor jwt');
const ACTOR = invalid('actor_token: the client itself is the actor');
const UNSUPPORTED = new Denial('grant_unsupported', 'grant_type is neither token-exchange nor client_credentials');
const RESOURCE = new Denial('target_forbidden', 'resource: targets are named by audience');
const BAD_SCOPE = new Denial('scope_exceeded', 'scope is not a list of scopes');

const SCOPES = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** The scopes in a parameter (RFC 6749 §3.3): names of printable ASCII, one space between two; `null` for another form. */
export const readScopes = (text: string): ReadonlySet<string> | null =>
  SCOPES.test(text) ? new Set(text.split(' ')) : null;

/** The parameters that have a value. */
export function presentParameters(form: TokenForm): TokenForm {
  return new Map([...form].filter(([, value]) => value !== ''));
}

/** The metric label of what a form asks for. */
export function grantOf(form: TokenForm): Grant {
  const type = form.get('grant_type');
  if (type === GRANT_TYPES[0]) return 'token_exchange';
  return type === GRANT_TYPES[1] ? 'client_credentials' : 'other';
}

/**
 * Reads a request. Parameters that are not known are ignored (RFC 6749 §3.2).
 *
 * @param form  parameters that have a value
 * @returns a Denial `token_request_invalid` | `grant_unsupported` | `target_forbidden` | `scope_exceeded`
 */
export function readTokenRequest(form: TokenForm): TokenRequest | Denial {
  const grant = grantOf(form);
  if (grant === 'other') return form.has('grant_type') ? UNSUPPORTED : NO_GRANT;
  if (form.has('resource')) return RESOURCE;
  const scope = form.get('scope');
  const scopes = scope === undefined ? null : (readScopes(scope) ?? BAD_SCOPE);
  if (scopes instanceof Denial) return scopes;
  const target = { audience: form.get('audience') ?? null, scopes };
  return grant === 'client_credentials' ? { grant, ...target } : readExchange(form, target);
}

function readExchange(
  form: TokenForm,
  target: { readonly audience: string | null; readonly scopes: ReadonlySet<string> | null },
): TokenRequest | Denial {
  const subjectToken = form.get('subject_token');
  const requestedType = form.get('requested_token_type') ?? ACCESS_TOKEN;
  if (subjectToken === undefined) return NO_SUBJECT_TOKEN;
  if (!isOurType(form.get('subject_token_type'))) return SUBJECT_TYPE;
  if (!isOurType(requestedType)) return REQUESTED_TYPE;
  if (form.has('actor_token') || form.has('actor_token_type')) return ACTOR;
  return { grant: 'token_exchange', subjectToken, issuedType: requestedType, ...target };
}

const isOurType = (type: string | undefined): type is string => type === ACCESS_TOKEN || type === JWT;
