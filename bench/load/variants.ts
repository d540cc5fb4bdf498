/** The measured variants: for each, its process and its requests, which differ in the path only. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Child, Children } from '../support/children.ts';
import { type GatewaySettings, PROFILER, startGateway } from './gateway.ts';
import type { Credentials } from './generator/load.ts';
import type { Target } from './measure.ts';
import { createServiceIssuer, openSessions, type SessionSeeder } from './sessions.ts';

export const VARIANT_NAMES = [
  'upstream',
  'relay',
  'public',
  'warm',
  'quiet',
  'traced',
  'service',
  'service-cold',
  'outbound',
  'authorizer',
  'cold',
] as const;
export type VariantName = (typeof VARIANT_NAMES)[number];

export interface Variant extends Target {
  readonly name: VariantName;
  readonly title: string;
  readonly child: Child;
  /** Where the keys of its tokens are published. */
  readonly keysPort: number;
  /** Whether every request presents a session or a token that no gateway has seen. */
  readonly isCold: boolean;
}

export interface VariantSettings {
  readonly directory: string;
  readonly redisUrl: string;
  readonly seeder: SessionSeeder;
  readonly connections: number;
  /** Core of the measured processes; the others share the benchmark's own. */
  readonly core: number;
  /** Default: no. */
  readonly isProfiled?: boolean;
}

const server = (name: string) => fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url));

/** Starts every process and opens the sessions. */
export async function startVariants(children: Children, settings: VariantSettings): Promise<readonly Variant[]> {
  const { directory, redisUrl, seeder, connections, core, isProfiled = false } = settings;
  const issuer = await createServiceIssuer();
  const behind = await startServer(children, 'upstream', []);
  const bare = await startServer(children, 'upstream', [], core);
  const relay = await startServer(children, 'relay', [`http://127.0.0.1:${behind.port}`], core, isProfiled);
  const gateway = (name: string, accessLog: 'all' | 'off', sections: GatewaySettings['sections'] = {}) => {
    const gatewaySettings = { upstreamPort: behind.port, redisUrl, accessLog, jwks: issuer.jwks, sections };
    return startGateway(children, join(directory, name), gatewaySettings, { core, isProfiled });
  };
  const usual = await gateway('usual', 'all');
  const quiet = await gateway('quiet', 'off');
  const cold = await gateway('cold', 'all');
  // The upstream takes the spans as well: it answers every POST.
  const url = `http://127.0.0.1:${behind.port}/v1/traces`;
  const traced = await gateway('traced', 'all', { traces: { url, sampleRatio: 0.01, maxPerSecond: 10_000 } });

  const sessions: Credentials = {
    header: 'Cookie',
    values: await openSessions(usual.port, connections),
    use: 'per connection',
  };
  const tokens: Credentials = {
    header: 'Authorization',
    values: await issuer.tokens(connections),
    use: 'per connection',
  };
  const nothing: Credentials = { header: 'Accept', values: Array(connections).fill('*/*'), use: 'per connection' };
  const withSessions = { base: '/api', credentials: () => Promise.resolve(sessions), isCold: false };
  return [
    { name: 'upstream', title: 'upstream itself', ...bare, keysPort: bare.port, ...withSessions },
    { name: 'relay', title: 'bare node:http + undici relay', ...relay, keysPort: relay.port, ...withSessions },
    { name: 'public', title: 'public route', ...usual, keysPort: usual.port, ...withSessions, base: '/public' },
    { name: 'warm', title: 'session, warm', ...usual, keysPort: usual.port, ...withSessions },
    { name: 'quiet', title: 'session, warm, access log off', ...quiet, keysPort: quiet.port, ...withSessions },
    { name: 'traced', title: 'session, warm, 1 % traced', ...traced, keysPort: traced.port, ...withSessions },
    {
      name: 'service',
      title: 'service token, warm',
      ...usual,
      keysPort: usual.port,
      base: '/internal',
      credentials: () => Promise.resolve(tokens),
      isCold: false,
    },
    {
      name: 'service-cold',
      title: 'service token, cold',
      ...usual,
      keysPort: usual.port,
      base: '/internal',
      credentials: async (requests) => ({
        header: 'Authorization',
        values: await issuer.tokens(requests),
        use: 'once',
      }),
      isCold: true,
    },
    {
      name: 'outbound',
      title: 'outbound, service token, warm',
      child: usual.child,
      port: usual.outboundPort,
      keysPort: usual.port,
      base: '/outbound',
      credentials: () => Promise.resolve(nothing),
      isCold: false,
    },
    {
      name: 'authorizer',
      title: 'authorizer: session, warm',
      child: usual.child,
      port: usual.authorizerPort,
      keysPort: usual.port,
      ...withSessions,
      base: '/ext-authz/api',
      answer: '',
    },
    {
      name: 'cold',
      title: 'session, cold',
      ...cold,
      keysPort: cold.port,
      base: '/api',
      credentials: async (requests) => ({ header: 'Cookie', values: await seeder.seed(requests), use: 'once' }),
      isCold: true,
    },
  ];
}

async function startServer(
  children: Children,
  name: string,
  args: readonly string[],
  core?: number,
  isProfiled = false,
) {
  const child = children.node([...(isProfiled ? ['--import', PROFILER] : []), server(name), ...args], {
    ...(core !== undefined && { core }),
  });
  const { port } = await child.ask<{ port: number }>();
  return { child, port };
}
