/** step-up: whether any login can ever meet the `require` of a route. */

import { compileCredential, isPublic, type WrittenCredential } from '../../../authentication/credential.ts';
import { issuersOf } from '../../../authentication/service-token/kind.ts';
import type { Requirement } from '../../../authorization/section.ts';
import { lackOf } from '../../../authorization/step-up.ts';
import { defineCodes, error } from '../../../config/findings/problem.ts';
import type { DraftEntries, LintContext } from '../../../config/lint.ts';
import type { ProviderConfig } from '../oidc/section.ts';
import { withPreset } from '../oidc/settings.ts';

/** Codes of the findings about `require`. */
export const codes = defineCodes({
  'routes/require-on-public': error('`require` on a route with `credential: none`: no request could ever pass.'),
  'routes/require-impossible': error(
    '`require` asks for what no login of this configuration can show: `acr`, and `amr` other than `pwd`, come from identity providers with `issuer`, or from service tokens; `maxAge` needs one of them, or a password form.',
  ),
});

interface StepUpDraft {
  readonly login?: { readonly oidc: readonly ProviderConfig[]; readonly password?: object | undefined } | undefined;
  readonly issuers: DraftEntries<{ readonly own?: object | undefined }>;
  readonly routes: readonly (RequiringRoute | undefined)[];
}

interface RequiringRoute {
  readonly id: string;
  readonly credential: WrittenCredential;
  readonly require?: Requirement | undefined;
}

/** Applies the rules. */
export function lint({ draft, source }: LintContext<StepUpDraft>): void {
  for (const [index, route] of draft.routes.entries()) {
    if (route?.require === undefined) continue;
    const at = ['routes', index, 'require'];
    const name = JSON.stringify(route.id);
    if (isPublic(route.credential)) {
      const text = `route ${name} is public and requires a login, which no request can have`;
      source.report(codes['routes/require-on-public'], at, text, 'give it a credential, or remove require', 'key');
    } else if (!isPossible(route.credential, route.require, draft)) {
      const text = `route ${name} requires what no login here can show`;
      const hint = 'add an identity provider with issuer to login.oidc, or require less';
      source.report(codes['routes/require-impossible'], at, text, hint, 'key');
    }
  }
}

/** What a password shows at best. */
const PASSWORD = { authTimeMs: 0, acr: null, amr: ['pwd'] };

/** Tokens of the gateway itself show what the session does. A section that is not valid may show anything. */
function isPossible(credential: WrittenCredential, requirement: Requirement, { login, issuers }: StepUpDraft): boolean {
  if (login === undefined) return true;
  const others = issuersOf(compileCredential(credential)).filter((name) => issuers.get(name)?.own === undefined);
  if (others.length > 0 || login.oidc.some((provider) => withPreset(provider).issuer !== null)) return true;
  return login.password !== undefined && lackOf(requirement, PASSWORD, 0) === null;
}
