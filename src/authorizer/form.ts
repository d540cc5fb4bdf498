/**
 * The forms in which proxies ask: by which path, where in the question the described request is, and which statuses the
 * proxy understands. A form is chosen by its path, never guessed from headers: a client controls those.
 *
 * | path | asked by | method, host, target |
 * | --- | --- | --- |
 * | `/forward-auth` | Traefik, Caddy, HAProxy | `X-Forwarded-Method`, `-Host`, `-Uri` |
 * | `/auth-request` | nginx, ingress-nginx | `X-Original-Method`, `X-Original-URL` |
 * | `/auth-request/refusal` | nginx, to get the whole answer to a refused request | the same |
 * | `/ext-authz/…` | Envoy, Istio, Gateway API | those of the question itself, after the prefix |
 *
 * Over gRPC (`grpc/check-request.ts`) Envoy asks the same as in the form `ext-authz`.
 */

/** Names of the forms. */
export const FORMS = ['forward-auth', 'auth-request', 'refusal', 'ext-authz'] as const;
/** One of {@link FORMS}. */
export type Form = (typeof FORMS)[number];

/** The same question as `ext-authz`, over gRPC, as `explain` names it. */
export const GRPC_FORM = 'ext-authz-grpc';

/** Path of each form; of `ext-authz` the prefix. */
export const FORM_PATHS: Readonly<Record<Form, string>> = {
  'forward-auth': '/forward-auth',
  'auth-request': '/auth-request',
  refusal: '/auth-request/refusal',
  'ext-authz': '/ext-authz',
};

const EXACT = new Map(FORMS.filter((form) => form !== 'ext-authz').map((form) => [FORM_PATHS[form], form]));
const PREFIX = FORM_PATHS['ext-authz'];

/**
 * The form of a question; `null` for none. Compared byte for byte: the target of a question with a prefix ends with what a
 * client wrote, so nothing in it may be resolved before `sanitize` has judged it. Caddy appends the query of the described
 * request to the path of any form: it says nothing about the form.
 *
 * @param target  of the question
 */
export function formOf(target: string): Form | null {
  const questionMark = target.indexOf('?');
  const exact = EXACT.get(questionMark === -1 ? target : target.slice(0, questionMark));
  if (exact !== undefined) return exact;
  const next = target.charCodeAt(PREFIX.length);
  return target.startsWith(PREFIX) && (next === 0x2f || next === 0x3f) ? 'ext-authz' : null;
}

/** What follows the prefix of `ext-authz`: the target that the client sent. */
export function targetAfterPrefix(target: string): string {
  const rest = target.slice(PREFIX.length);
  return rest.startsWith('?') ? `/${rest}` : rest;
}

/**
 * The status that a proxy understands. nginx takes 401 and 403 for a refusal, every other status that is not 2xx for a
 * failure, and passes neither a redirect nor a body on: it gets 401 for a redirect, whose `Location` it can read, and 403
 * for other refusals. What could not be decided stays 5xx.
 */
export function statusFor(form: Form | null, status: number): number {
  if (form !== 'auth-request' || status >= 500 || status === 401) return status;
  return status < 400 ? 401 : 403;
}
