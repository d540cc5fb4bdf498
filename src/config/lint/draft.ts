/**
 * A configuration as far as it is valid. Rules between keys are asked of it, so that one wrong value does not hide
 * what is wrong elsewhere.
 */

import type { z } from 'zod';
import type { KeyPath } from '../problem.ts';
import type { Config, configSchema, IssuerConfig, RouteConfig, UpstreamConfig } from '../schema.ts';
import { describeIssue, valueAt } from '../schema-problems.ts';
import type { ConfigSource } from '../source.ts';

type Schema = ReturnType<typeof configSchema>;
type Section = Exclude<keyof Config, 'routes' | 'upstreams' | 'issuers'>;

/** `undefined` stands for what is not valid, and for a section that may be left out and is. */
export type Draft = { readonly [S in Section]?: Config[S] | undefined } & {
  /** In the order of the file. */
  readonly routes: readonly (RouteConfig | undefined)[];
  readonly upstreams: ReadonlyMap<string, UpstreamConfig | undefined>;
  readonly issuers: ReadonlyMap<string, IssuerConfig | undefined>;
};

/** The draft of a configuration that is valid. */
export function wholeDraft(config: Config): Draft {
  return {
    ...config,
    tokenEndpoint: config.tokenEndpoint,
    upstreams: new Map(Object.entries(config.upstreams)),
    issuers: new Map(Object.entries(config.issuers)),
  };
}

/** The draft of a configuration that is not: every section, route, upstream and issuer is validated by itself. */
export function partialDraft(schema: Schema, written: unknown): Draft {
  const { shape } = schema;
  const part = <S extends z.ZodType>(subject: S, path: KeyPath): z.output<S> | undefined =>
    subject.safeParse(valueAt(written, path), { error: describeIssue }).data;
  const { routes, upstreams, issuers, ...sections } = shape;
  const routeList = valueAt(written, ['routes']);
  const upstreamSchema = upstreams.valueType;
  const issuerSchema = issuers.unwrap().valueType;
  return {
    ...(Object.fromEntries(Object.entries(sections).map(([key, section]) => [key, part(section, [key])])) as {
      [S in Section]: Config[S] | undefined;
    }),
    routes: Array.isArray(routeList) ? routeList.map((_, index) => part(routes.element, ['routes', index])) : [],
    upstreams: new Map(keysAt(written, 'upstreams').map((name) => [name, part(upstreamSchema, ['upstreams', name])])),
    issuers: new Map(keysAt(written, 'issuers').map((name) => [name, part(issuerSchema, ['issuers', name])])),
  };
}

function keysAt(written: unknown, key: string): string[] {
  const value = valueAt(written, [key]);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

/** What rules are asked with. */
export interface LintContext {
  readonly draft: Draft;
  readonly source: ConfigSource;
}

/** The path of an entry where one value can stand for a list of one. */
export function entryPath({ source }: LintContext, base: KeyPath, index: number): KeyPath {
  return Array.isArray(valueAt(source.value, base)) ? [...base, index] : base;
}
