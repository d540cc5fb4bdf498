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
  const { seeder, connections } = settings;
  const issuer = await createServiceIssuer();
  const { bare, relay, usual, quiet, cold, traced } = await startProcesses(children, settings, issuer.jwks);
  const always = (header: string, values: readonly string[]) => {
    const credentials: Credentials = { header, values, use: 'per connection' };
    return { credentials: () => Promise.resolve(credentials), isCold: false };
  };
  const once = (header: string, values: (requests: number) => Promise<readonly string[]>) => ({
    credentials: async (requests: number) => ({ header, values: await values(requests), use: 'once' as const }),
    isCold: true,
  });
  const withSessions = { base: '/api', ...always('Cookie', await openSessions(usual.port, connections)) };
  const withTokens = { base: '/internal', ...always('Authorization', await issuer.tokens(connections)) };
  const withNewTokens = { base: '/internal', ...once('Authorization', issuer.tokens) };
  const withNewSessions = { base: '/api', ...once('Cookie', (requests) => seeder.seed(requests)) };
  const fromWorkload = { base: '/outbound', ...always('Accept', Array(connections).fill('*/*')) };
  const outbound = { ...usual, port: usual.outboundPort };
  const authorizer = { ...usual, port: usual.authorizerPort };
  return [
    { name: 'upstream', title: 'upstream itself', ...bare, ...withSessions },
    { name: 'relay', title: 'bare node:http + undici relay', ...relay, ...withSessions },
    { name: 'public', title: 'public route', ...usual, ...withSessions, base: '/public' },
    { name: 'warm', title: 'session, warm', ...usual, ...withSessions },
    { name: 'quiet', title: 'session, warm, access log off', ...quiet, ...withSessions },
    { name: 'traced', title: 'session, warm, 1 % traced', ...traced, ...withSessions },
    { name: 'service', title: 'service token, warm', ...usual, ...withTokens },
    { name: 'service-cold', title: 'service token, cold', ...usual, ...withNewTokens },
    { name: 'outbound', title: 'outbound, service token, warm', ...outbound, ...fromWorkload },
    { name: 'authorizer', title: 'authorizer: session, warm', ...authorizer, ...withSessions, ...INSTEAD_OF_UPSTREAM },
    { name: 'cold', title: 'session, cold', ...cold, ...withNewSessions },
  ];
}

/** The proxy in front of the authorizer asks it about the same request; nothing is forwarded. */
const INSTEAD_OF_UPSTREAM = { base: '/ext-authz/api', answer: '' };

/** The measured processes, each with the port where its keys are published. */
async function startProcesses(children: Children, settings: VariantSettings, jwks: GatewaySettings['jwks']) {
  const { directory, redisUrl, core, isProfiled = false } = settings;
  const behind = await startServer(children, 'upstream', []);
  const bare = await startServer(children, 'upstream', [], core);
  const relay = await startServer(children, 'relay', [`http://127.0.0.1:${behind.port}`], core, isProfiled);
  const gateway = async (name: string, accessLog: 'all' | 'off', sections: GatewaySettings['sections'] = {}) => {
    const gatewaySettings = { upstreamPort: behind.port, redisUrl, accessLog, jwks, sections };
    const started = await startGateway(children, join(directory, name), gatewaySettings, { core, isProfiled });
    return { ...started, keysPort: started.port };
  };
  // The upstream takes the spans as well: it answers every POST.
  const url = `http://127.0.0.1:${behind.port}/v1/traces`;
  return {
    bare,
    relay,
    usual: await gateway('usual', 'all'),
    quiet: await gateway('quiet', 'off'),
    cold: await gateway('cold', 'all'),
    traced: await gateway('traced', 'all', { traces: { url, sampleRatio: 0.01, maxPerSecond: 10_000 } }),
  };
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
  return { child, port, keysPort: port };
}
