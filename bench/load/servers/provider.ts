/**
 * An identity provider that costs next to nothing, so that it is not what a benchmark of logins measures: `oidc-provider` makes some
 * hundred logins a second on a core. It has no pages and asks for no secret: the load makes the code by itself, as `USER.NONCE`, and
 * the token endpoint signs an ID token with these. Started by the benchmark, to which it reports its port; ends with it.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ecKeyPair, es256, forge, publicJwk } from '../../../test/support/issuers/forger.ts';
import { serve } from './serve.ts';

const HEADER = { alg: 'ES256', kid: 'bench', typ: 'JWT' };
const CLIENT_ID = 'shop';
const key = ecKeyPair();
const signer = es256(key);

const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (request.url === '/token') return json(response, tokens(issuer, new URLSearchParams(await textOf(request))));
  if (request.url === '/keys') return json(response, { keys: [publicJwk(key, { ...HEADER, use: 'sig' })] });
  json(response, {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  });
}

function tokens(issuer: string, parameters: URLSearchParams): object {
  const [sub = '', nonce = ''] = (parameters.get('code') ?? '').split('.');
  const nowSec = Math.floor(Date.now() / 1_000);
  const times = { iat: nowSec, exp: nowSec + 300, auth_time: nowSec };
  const claims = { iss: issuer, aud: CLIENT_ID, sub, sid: `sid of ${nonce}`, nonce, roles: ['customer'], ...times };
  return { access_token: nonce, token_type: 'Bearer', expires_in: 300, id_token: forge(HEADER, claims, signer) };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part as string;
  return text;
}

function json(response: ServerResponse, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(200, ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(text))]);
  response.end(text);
}

server.keepAliveTimeout = 120_000;
await serve(server);
