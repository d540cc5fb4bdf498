/**
 * A client in another language: grpc-go with the types of go-control-plane, which validate every message against the
 * rules of the published protos. Its source is `go/main.go`; prerequisites.ts builds it.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CHECK_CLIENT, findProgram } from '../../support/programs.ts';
import { AuthorizerStage } from '../stage.ts';
import { attributesOf } from './client.ts';

const isBuilt = findProgram([CHECK_CLIENT]) !== null;

let stage: AuthorizerStage;
beforeAll(async () => {
  if (isBuilt) stage = await AuthorizerStage.start({ grpc: { reflection: true } });
});
afterAll(() => stage?.[Symbol.asyncDispose]());

interface Answer {
  readonly status?: { readonly code?: number };
  readonly okResponse?: {
    readonly headers: readonly {
      readonly header: { readonly key: string; readonly value: string };
      readonly appendAction: string;
    }[];
    readonly headersToRemove: readonly string[];
  };
  readonly deniedResponse?: { readonly status: { readonly code: string }; readonly body: string };
  readonly dynamicMetadata: Readonly<Record<string, string>>;
}

test('a Go client checks health, reflection, permits, refusals and an empty question', async ({ skip }) => {
  if (!isBuilt) return skip('the client is not built: it needs Go 1.26 when test/support/prerequisites.ts runs');
  const bob = await stage.gateway.cookie('bob', { roles: ['customer'] });
  const questions = [
    attributesOf([bob, 'x-user-id: admin']),
    attributesOf(['sec-fetch-mode: navigate', 'accept: text/html']),
    attributesOf([bob], { path: '/admin' }),
    attributesOf([bob], { path: '/a//b' }),
  ].map((http) => ({ attributes: { request: { http } } }));
  const input = [...questions, {}].map((question) => `${JSON.stringify(question)}\n`).join('');
  const port = stage.gateway.portOf('grpcAuthorizer');
  const client = spawn(CHECK_CLIENT, [`127.0.0.1:${port}`], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(client, 'exit');
  client.stdin.end(input);
  const [output, errors] = await Promise.all([text(client.stdout), text(client.stderr)]);
  expect([await ended, errors]).toEqual([[0, null], '']);
  const [health, services = '', methods = '', ...answers] = output.trim().split('\n');
  expect(health).toBe('SERVING');
  expect(JSON.parse(services)).toContain('envoy.service.auth.v3.Authorization');
  expect(JSON.parse(methods)).toEqual(['Check']);
  const [allowed, login, forbidden, ambiguous, none] = answers.map((line) => JSON.parse(line) as Answer);
  expect(allowed?.status?.code ?? 0).toBe(0);
  expect(allowed?.dynamicMetadata).toMatchObject({ route: 'app', subject: 'bob' });
  const user = allowed?.okResponse?.headers.filter(({ header }) => header.key === 'x-user-id');
  expect(user).toEqual([{ header: { key: 'x-user-id', value: 'bob' }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }]);
  expect(allowed?.okResponse?.headersToRemove).toContain('cookie');
  expect(login?.deniedResponse?.status.code).toBe('Found');
  expect(forbidden?.deniedResponse?.body).toContain('route_forbidden');
  for (const refused of [ambiguous, none]) expect(refused?.deniedResponse?.status.code).toBe('BadRequest');
});
