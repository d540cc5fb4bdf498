/**
 * Users and services of this gateway with the same name (RFC 9700 §4.15). The gateway itself tells them apart; a service
 * that reads `sub` of a token alone, or an identity header, cannot. The names that can be compared are those of the users
 * file and of `allow.subjects`, and those under which services get or present tokens of the gateway.
 */

import type { KeyPath } from '../config/findings/problem.ts';
import type { DraftEntries } from '../config/lint.ts';
import { type SubjectEntry, subjectEntries } from './rule.ts';
import type { AllowConfig } from './section.ts';

/** The sections that name users and services. */
export interface NamingSections {
  readonly issuers: DraftEntries<{ readonly own?: object | undefined }>;
  readonly routes: readonly ({ readonly allow?: AllowConfig | undefined } | undefined)[];
  readonly login?: { readonly trustedBackends: readonly ServiceConfig[] } | undefined;
  readonly tokenEndpoint?:
    | { readonly clients: Readonly<Record<string, ServiceConfig & { readonly subject?: string | undefined }>> }
    | undefined;
  readonly outbound?: { readonly workload: string } | undefined;
}

interface ServiceConfig {
  readonly service?: { readonly issuer: string; readonly subjects: readonly string[] } | undefined;
}

interface Named {
  readonly name: string;
  readonly path: KeyPath;
}

/**
 * The findings about services of the gateway that have the name of a user.
 *
 * @param users  subjects of the users file
 */
export function sharedNames(sections: NamingSections, users: Iterable<string>) {
  const entries = allowedSubjects(sections);
  const known = new Set(users);
  for (const { entry } of entries)
    if (typeof entry === 'object' && 'user' in entry && entry.issuer === undefined) known.add(entry.user);
  const shared = ownServices(sections, entries).filter(({ name }) => known.has(name));
  return shared.map(({ name, path }) => ({
    path,
    message: `${JSON.stringify(name)} is the name of a user and of a service: a service that reads only \`sub\` confuses them`,
    hint: 'give one of them another subject',
  }));
}

function ownServices(
  { issuers, login, tokenEndpoint, outbound }: NamingSections,
  entries: readonly { readonly path: KeyPath; readonly entry: SubjectEntry }[],
): Named[] {
  const isOwn = (issuer: string | undefined) => issuer !== undefined && issuers.get(issuer)?.own !== undefined;
  const presenting = ({ service }: ServiceConfig, at: KeyPath): Named[] =>
    isOwn(service?.issuer)
      ? (service?.subjects ?? []).map((name, index) => ({ name, path: [...at, 'service', 'subjects', index] }))
      : [];
  const clients = Object.entries(tokenEndpoint?.clients ?? {}).flatMap(([id, client]) => {
    const at = ['tokenEndpoint', 'clients', id];
    return [{ name: client.subject ?? id, path: at }, ...presenting(client, at)];
  });
  const backends = (login?.trustedBackends ?? []).flatMap((backend, index) =>
    presenting(backend, ['login', 'trustedBackends', index]),
  );
  const allowed = entries.flatMap(({ entry, path }) =>
    typeof entry === 'object' && 'service' in entry && isOwn(entry.issuer) ? [{ name: entry.service, path }] : [],
  );
  const workload = outbound === undefined ? [] : [{ name: outbound.workload, path: ['outbound', 'workload'] }];
  return [...clients, ...backends, ...allowed, ...workload];
}

const allowedSubjects = ({ routes }: NamingSections) =>
  routes.flatMap((route, index) =>
    route?.allow === undefined
      ? []
      : subjectEntries(route.allow).map(({ path, entry }) => ({ entry, path: ['routes', index, 'allow', ...path] })),
  );
