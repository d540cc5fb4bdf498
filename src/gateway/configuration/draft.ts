/**
 * The valid part of a configuration. Rules between keys read it, so that one wrong value does not hide
 * what is wrong elsewhere.
 */

import type { z } from 'zod';
import type { KeyPath } from '../../config/findings/problem.ts';
import type { DraftEntries } from '../../config/lint.ts';
import { describeIssue, valueAt } from '../../config/report.ts';
import type { Config, configSchema } from './schema.ts';

type Schema = ReturnType<typeof configSchema>;
type Section = Exclude<keyof Config, 'routes' | 'upstreams' | 'issuers'>;

/** `undefined` stands for a section that is not valid, and for an optional one that is left out. */
export type Draft = { readonly [S in Section]?: Config[S] | undefined } & {
  /** In the order of the file. */
  readonly routes: readonly (Config['routes'][number] | undefined)[];
  readonly upstreams: DraftEntries<Config['upstreams'][string]>;
  readonly issuers: DraftEntries<Config['issuers'][string]>;
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
