/** Rules about login: whether a session can be opened, and by whom. */

import { acceptsKind, type WrittenCredential } from '../../authentication/credential.ts';
import { defineCodes, error, warning } from '../../config/findings/problem.ts';
import type { DraftEntries, LintContext } from '../../config/lint.ts';
import { reportDuplicates, reportUnknown, uses } from '../../config/names.ts';
import { ADD_WAY_IN, hasWayIn, type LoginConfig } from './section.ts';

/** Codes of the findings about login. */
export const codes = defineCodes({
  'login/unknown-issuer': error('A trusted backend names an issuer that is not in `issuers`.'),
  'login/duplicate-id': error('Two trusted backends with the same id.'),
  'login/unknown-origin': error('`login.origin` is not one of the origins in `publicOrigin`.'),
  'login/no-way-in': warning(
    'Routes take a session, but nothing opens one: no login form, no identity provider, no trusted backend, no relayed cookie.',
  ),
  'refresh/no-login': warning('`refresh` without a login that could hand out a refresh token.'),
});

interface LoginDraft {
  readonly publicOrigin?: readonly string[] | undefined;
  readonly login?: LoginConfig | undefined;
  readonly refresh?: object | undefined;
  readonly issuers: DraftEntries<object>;
  readonly routes: readonly ({ readonly credential: WrittenCredential } | undefined)[];
}

type Context = LintContext<LoginDraft>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintNames(context);
  lintOrigin(context);
  lintWayIn(context);
}

function lintOrigin({ draft, source }: Context): void {
  const { login, publicOrigin } = draft;
  if (login?.origin === undefined || publicOrigin === undefined || publicOrigin.includes(login.origin)) return;
  source.report(
    codes['login/unknown-origin'],
    ['login', 'origin'],
    `login.origin ${login.origin} is not one of publicOrigin`,
    `write one of ${publicOrigin.join(', ')}, or add it to publicOrigin`,
  );
}

function lintNames(context: Context): void {
  const issuers = uses(context, ['login', 'trustedBackends'], ['service', 'issuer']);
  reportUnknown(
    context,
    issuers,
    [...context.draft.issuers.keys()],
    codes['login/unknown-issuer'],
    'issuer',
    'issuers',
  );
  const ids = uses(context, ['login', 'trustedBackends'], ['id']);
  reportDuplicates(context, ids, codes['login/duplicate-id'], 'backend');
}

function lintWayIn({ draft, source }: Context): void {
  const { login, refresh, routes } = draft;
  if (login === undefined || hasWayIn(login)) return;
  if (refresh !== undefined) {
    const message = 'refresh has no effect: no login hands out a refresh token';
    source.report(codes['refresh/no-login'], ['refresh'], message, ADD_WAY_IN, 'key');
  }
  const index = routes.findIndex(
    (route) => route !== undefined && acceptsKind(route.credential, ({ comesFromLogin }) => comesFromLogin),
  );
  if (index === -1) return;
  source.report(
    codes['login/no-way-in'],
    ['routes', index, 'credential'],
    'routes take a session, but nothing opens one',
    ADD_WAY_IN,
  );
}
