/** Compiles the rules for sanitizing from the sections of a configuration. */

import { toBlockList } from '../config/fields.ts';
import { OwnedHeaders } from './owned-headers.ts';
import type { SanitizeRules } from './sanitize.ts';

/** A route, as far as it says which headers the gateway writes. */
export interface WritingRoute {
  readonly identityHeaders?: Readonly<Record<string, string>> | undefined;
  readonly tokenHeader?: string | undefined;
  readonly providerToken?: string | undefined;
}

/** The headers that the gateway writes on a route; copies from clients are removed on every route. */
export const writtenHeaders = (route: WritingRoute | undefined): readonly string[] => [
  ...Object.keys(route?.identityHeaders ?? {}),
  ...[route?.tokenHeader, route?.providerToken].filter((name) => name !== undefined),
];

/** The sections that the rules are made from. */
interface SanitizeSections {
  readonly publicOrigin: readonly string[];
  readonly passClientHeaders: readonly string[];
  readonly upstreamToken: { readonly header: string };
  readonly session: { readonly cookie: { readonly name: string } };
  readonly routes: readonly WritingRoute[];
  readonly traces?: { readonly trustParent: SanitizeRules['traceParents'] } | undefined;
  readonly listeners: {
    readonly public: {
      readonly trustedProxies: readonly string[];
      readonly limits: {
        readonly maxTargetBytes: number;
        readonly maxCookieBytes: number;
        readonly maxCookieCount: number;
      };
    };
  };
}

/** The rules for the public listener. */
export function sanitizeRules(config: SanitizeSections): SanitizeRules {
  const { limits, trustedProxies } = config.listeners.public;
  const written = config.routes.flatMap(writtenHeaders);
  return {
    owned: new OwnedHeaders([...written, config.upstreamToken.header], config.passClientHeaders),
    cookieName: config.session.cookie.name,
    trustedProxies: toBlockList(trustedProxies),
    // A gateway that records nothing leaves the decision to those behind it.
    traceParents: config.traces?.trustParent ?? 'all',
    publicOrigins: new Map(config.publicOrigin.map((origin) => [new URL(origin).hostname, origin])),
    maxTargetBytes: limits.maxTargetBytes,
    cookieLimits: { maxCookieBytes: limits.maxCookieBytes, maxCookieCount: limits.maxCookieCount },
  };
}
