/** Compiles what sanitizing goes by from the sections of a configuration. */

import { toBlockList } from '../config/fields.ts';
import { OwnedHeaders } from './owned-headers.ts';
import type { SanitizeRules } from './sanitize.ts';

/** The sections that the rules are made from. */
interface SanitizeSections {
  readonly publicOrigin: readonly string[];
  readonly passClientHeaders: readonly string[];
  readonly upstreamToken: { readonly header: string };
  readonly session: { readonly cookie: { readonly name: string } };
  readonly routes: readonly { readonly identityHeaders?: Readonly<Record<string, string>> | undefined }[];
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
  const identityHeaders = config.routes.flatMap((route) => Object.keys(route.identityHeaders ?? {}));
  return {
    owned: new OwnedHeaders([...identityHeaders, config.upstreamToken.header], config.passClientHeaders),
    cookieName: config.session.cookie.name,
    trustedProxies: toBlockList(trustedProxies),
    publicOrigins: new Map(config.publicOrigin.map((origin) => [new URL(origin).hostname, origin])),
    maxTargetBytes: limits.maxTargetBytes,
    cookieLimits: { maxCookieBytes: limits.maxCookieBytes, maxCookieCount: limits.maxCookieCount },
  };
}
