/**
 * The demo upstream: an ordinary service behind Sallyport. It trusts only the token: it fetches the gateway's keys once,
 * verifies tokens offline from then on, and shows what they contain.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';

export interface DemoUpstreamSettings {
  /** The URL where the gateway publishes its keys. */
  readonly jwksUrl: string;
  readonly issuer: string;
  /** The audiences of this service. It refuses tokens for any other. */
  readonly audience: readonly string[];
}

/** What the demo upstream shows about a request. */
interface Finding {
  readonly message: string;
  readonly path: string;
  readonly verifiedClaims: JWTPayload | null;
  readonly cookieReceived: string | null;
  readonly forwarded: Readonly<Record<string, string>>;
}

/** Starts the demo upstream on a free port of the loopback interface. */
export async function startDemoUpstream(settings: DemoUpstreamSettings): Promise<{ origin: string; server: Server }> {
  const keys = createRemoteJWKSet(new URL(settings.jwksUrl));
  const server = createServer(async (request, response) => {
    answer(request, response, find(request, await verifiedClaims(request, keys, settings)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

async function verifiedClaims(
  { headers }: IncomingMessage,
  keys: ReturnType<typeof createRemoteJWKSet>,
  { issuer, audience }: DemoUpstreamSettings,
): Promise<JWTPayload | null> {
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1];
  if (token === undefined) return null;
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: [...audience],
      algorithms: ['ES256'],
      typ: 'JWT',
    });
    return payload;
  } catch {
    return null;
  }
}

function find(request: IncomingMessage, claims: JWTPayload | null): Finding {
  const names = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-request-id', 'traceparent', 'via'];
  const present = names.flatMap((name) =>
    typeof request.headers[name] === 'string' ? [[name, request.headers[name]]] : [],
  );
  return {
    message: claims === null ? 'Hello, whoever you are.' : `Hello, ${claims.sub}. I checked your token offline.`,
    path: request.url ?? '',
    verifiedClaims: claims,
    cookieReceived: request.headers.cookie ?? null,
    forwarded: Object.fromEntries(present),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, finding: Finding): void {
  const isPage = request.headers.accept?.includes('text/html') === true;
  const json = JSON.stringify(finding, null, 2);
  const body = isPage ? page(finding, json) : `${json}\n`;
  response.writeHead(200, {
    'Content-Type': isPage ? 'text/html; charset=utf-8' : 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
}

const escapeHtml = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function page({ message, verifiedClaims: claims }: Finding, json: string): string {
  const account =
    claims === null ? '' : '<p><a href="/auth/sessions">Your sessions</a> · <a href="/auth/logout">Log out</a></p>';
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Demo service</title></head>
<body style="margin:2rem auto;max-width:48rem;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;color-scheme:light dark">
<main>
<h1>${escapeHtml(message)}</h1>
<p>This is the service behind the gateway. It received no cookie, only a token that lives two minutes and names you as the user and
this service as the audience.</p>
<pre style="overflow-x:auto">${escapeHtml(json)}</pre>
${account}
</main>
</body>
</html>
`;
}
