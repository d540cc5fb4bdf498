/** Rules about `allow`: whether any request can ever pass. */

import { compileCredential, isPublic, type WrittenCredential } from '../authentication/credential.ts';
import type { CredentialRule } from '../authentication/kinds.ts';
import { issuersOf } from '../authentication/service-token/kind.ts';
import { type Code, defineCodes, error, warning } from '../config/findings/problem.ts';
import type { DraftEntries, LintContext } from '../config/lint.ts';
import { leavesOf, plainSubjectsOf, type SubjectEntry, subjectEntries, subjectOf } from './rule.ts';
import type { AllowConfig } from './section.ts';
import { type NamingSections, sharedNames } from './shared-names.ts';

/** Codes of the findings about `allow`. */
export const codes = defineCodes({
  'routes/allow-on-public': error('`allow` on a route with `credential: none`: no request could ever pass.'),
  'routes/service-accounts': error(
    '`allow.serviceAccounts` on a route that accepts tokens of no issuer with `kubernetes`: no request could ever pass.',
  ),
  'routes/subject-ambiguous': error(
    'A name in `allow.subjects` can be that of services of several issuers. Write `{ service: name, issuer: … }`.',
  ),
  'routes/subject-plain': warning(
    'A plain name in `allow.subjects` of a route that accepts users and services: it is that of a user. Write `{ user: name }` or `{ service: name }`.',
  ),
  'subjects/shared-name': warning(
    'A user and a service of this gateway have the same name (RFC 9700 §4.15). The rules of the gateway distinguish them; a service that compares only `sub`, or reads an identity header, does not.',
  ),
  'routes/subject-impossible': error(
    '`allow.subjects` names a user or a service that no credential of the route can represent: no request could ever pass by it.',
  ),
});

interface AllowDraft extends NamingSections {
  readonly routes: readonly (Route | undefined)[];
  readonly issuers: DraftEntries<{ readonly kubernetes?: object | undefined; readonly own?: object | undefined }>;
}

interface Route {
  readonly id: string;
  readonly credential: WrittenCredential;
  readonly allow?: AllowConfig | undefined;
}

type Context = LintContext<AllowDraft>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintPublic(context);
  lintServiceAccounts(context);
  lintSubjects(context);
  for (const { path, message, hint } of sharedNames(context.draft, []))
    context.source.report(codes['subjects/shared-name'], path, message, hint);
}

function lintPublic({ draft, source }: Context): void {
  for (const [index, route] of draft.routes.entries()) {
    if (route?.allow === undefined || !isPublic(route.credential)) continue;
    source.report(
      codes['routes/allow-on-public'],
      ['routes', index, 'allow'],
      `route ${JSON.stringify(route.id)} is public and has an allow rule, which no request can pass`,
      'give it a credential, or remove allow',
      'key',
    );
  }
}

function lintServiceAccounts({ draft, source }: Context): void {
  for (const [index, route] of draft.routes.entries()) {
    if (route?.allow === undefined) continue;
    if (issuersOf(compileCredential(route.credential)).some((name) => isCluster(draft, name))) continue;
    for (const { path, leaf } of leavesOf(route.allow)) {
      if (leaf.serviceAccounts === undefined) continue;
      source.report(
        codes['routes/service-accounts'],
        ['routes', index, 'allow', ...path, 'serviceAccounts'],
        `route ${JSON.stringify(route.id)} allows ServiceAccounts, but accepts tokens of no issuer with kubernetes: no request can have one`,
        'list such an issuer in credential, or use subjects for a cluster with public keys',
        'key',
      );
    }
  }
}

function lintSubjects({ draft, source }: Context): void {
  for (const [index, route] of draft.routes.entries()) {
    if (route?.allow === undefined || isPublic(route.credential)) continue;
    const rule = compileCredential(route.credential);
    for (const { path, entry } of subjectEntries(route.allow)) {
      const found = ambiguity(entry, rule) ?? impossibility(entry, rule, draft);
      if (found !== null) source.report(found.code, ['routes', index, 'allow', ...path], found.text, found.hint);
    }
  }
}

type SubjectProblem = { readonly code: Code; readonly text: string; readonly hint: string };

const takesSessions = ({ accepts }: CredentialRule) => accepts.some(({ kind }) => kind.comesFromLogin);

/** Whether an entry is ambiguous, or looks so. */
function ambiguity(entry: SubjectEntry, rule: CredentialRule): SubjectProblem | null {
  const issuers = issuersOf(rule);
  const { sort, name, issuer } = subjectOf(entry, plainSubjectsOf(rule));
  if (typeof entry === 'string' && takesSessions(rule) && issuers.length > 0) {
    const code = codes['routes/subject-plain'];
    const text = `the route accepts users and services: ${JSON.stringify(name)} is a user, never a service of that name`;
    return { code, text, hint: `write { user: ${name} } or { service: ${name} }` };
  }
  if (sort === 'user' || issuer !== null || issuers.length < 2) return null;
  const code = codes['routes/subject-ambiguous'];
  const text = `${JSON.stringify(name)} can be a service of ${issuers.join(' or of ')}`;
  return { code, text, hint: `write { service: ${name}, issuer: ${issuers[0]} }` };
}

/** Whether nothing that the route accepts can stand for an entry. */
function impossibility(entry: SubjectEntry, rule: CredentialRule, draft: AllowDraft): SubjectProblem | null {
  const code = codes['routes/subject-impossible'];
  const issuers = issuersOf(rule);
  const { sort, name, issuer } = subjectOf(entry, plainSubjectsOf(rule));
  const isOwn = (issuerName: string) => draft.issuers.get(issuerName)?.own !== undefined;
  if (issuer !== null && !issuers.includes(issuer)) {
    const text = `the route accepts no tokens of ${JSON.stringify(issuer)}: ${JSON.stringify(name)} could never pass`;
    return { code, text, hint: issuers.length === 0 ? 'list the issuer in credential' : `use ${issuers.join(' or ')}` };
  }
  if (issuer !== null && sort === 'user' && isOwn(issuer))
    return { code, text: `the users of ${JSON.stringify(issuer)} are those of the gateway`, hint: 'leave issuer out' };
  if (sort === 'service' ? issuers.length > 0 : issuer !== null || takesSessions(rule) || issuers.some(isOwn))
    return null;
  const accepted = sort === 'service' ? 'no service tokens' : 'neither sessions nor tokens of the gateway';
  const text = `the route accepts ${accepted}: ${sort} ${JSON.stringify(name)} could never pass`;
  return {
    code,
    text,
    hint: sort === 'service' ? 'list an issuer in credential' : 'name the issuer that knows the user',
  };
}

/** An issuer that is not valid may be a cluster. */
function isCluster({ issuers }: AllowDraft, name: string): boolean {
  const issuer = issuers.get(name);
  return issuer === undefined || issuer.kubernetes !== undefined;
}
