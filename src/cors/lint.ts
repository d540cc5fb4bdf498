/** Rules about CORS that need other sections. */

import { acceptsKind, type WrittenCredential } from '../authentication/credential.ts';
import type { LintContext } from '../config/lint.ts';
import { type CorsConfig, codes } from './section.ts';

interface CorsDraft {
  readonly publicOrigin?: readonly string[] | undefined;
  readonly csrf?: { readonly additionalOrigins: readonly string[] } | undefined;
  readonly routes: readonly (Route | undefined)[];
}

interface Route {
  readonly id: string;
  readonly credential: WrittenCredential;
  readonly csrf: 'origin' | 'off';
  readonly match: { readonly methods?: readonly string[] | undefined };
  readonly cors?: CorsConfig | undefined;
}

const isSafe = (method: string) => method === 'GET' || method === 'HEAD' || method === 'OPTIONS';

/** Applies the rules. */
export function lint({ draft, source }: LintContext<CorsDraft>): void {
  const { publicOrigin, csrf, routes } = draft;
  if (csrf === undefined || publicOrigin === undefined) return;
  for (const [index, route] of routes.entries()) {
    if (route?.cors?.credentials !== true || route.csrf === 'off' || route.match.methods?.every(isSafe)) continue;
    if (!acceptsKind(route.credential, ({ isAmbient }) => isAmbient)) continue;
    for (const origin of route.cors.origins) {
      if (publicOrigin.includes(origin) || csrf.additionalOrigins.includes(origin)) continue;
      source.report(
        codes['cors/csrf'],
        ['routes', index, 'cors', 'origins'],
        `pages of ${origin} may read answers of route ${JSON.stringify(route.id)} for a session, but what they change is refused`,
        'list the origin in csrf.additionalOrigins, or accept this warning if its pages only read',
      );
    }
  }
}
