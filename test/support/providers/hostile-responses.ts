/** How the hostile provider sends parameters back, and answers that are not JSON documents. */

import type { ServerResponse } from 'node:http';
import { html } from '../../../src/lib/text/html.ts';

/** Parameters of an authorization response. A list is a repeated parameter. */
export type ResponseParameters = Readonly<Record<string, string | readonly string[]>>;

/** Sends the browser back to the relying party. */
export function authorizationAnswer(
  response: ServerResponse,
  redirectUri: string,
  mode: string,
  parameters: ResponseParameters,
): void {
  const pairs = Object.entries(parameters).flatMap(([name, value]) =>
    [value].flat().map((one) => [name, one] as const),
  );
  if (mode === 'form_post') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(selfSubmitting(redirectUri, pairs));
    return;
  }
  const target = new URL(redirectUri);
  const encoded = new URLSearchParams(pairs.map(([name, value]) => [name, value])).toString();
  if (mode === 'fragment') target.hash = encoded;
  else target.search = encoded;
  response.writeHead(303, { location: target.href }).end();
}

const selfSubmitting = (action: string, pairs: readonly (readonly [string, string])[]): string =>
  html`<!doctype html>
<html lang="en"><head><title>One moment</title></head>
<body><form method="post" action="${action}">${pairs.map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  )}</form><script>document.forms[0].submit()</script></body></html>`.text;

/** A document with its own status. */
export const answering =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
  };

/** A page instead of JSON, as a proxy in front of a provider sends it when the provider is down. */
export const htmlPage = answering(200, '<!doctype html><title>Sign in</title><script>alert(1)</script>', {
  'content-type': 'text/html',
});

/** Endless JSON, until the other side closes the connection. */
export function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const chunk = ' '.repeat(65_536);
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  response.on('error', () => {});
  more();
}

/** A valid document of this size. */
export const padded =
  (document: object, bytes: number) =>
  (response: ServerResponse): void => {
    const body = JSON.stringify({ ...document, padding: 'x'.repeat(bytes) });
    response.on('error', () => {});
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  };

/** Accepts the request, and never answers. */
export function silent(): void {}

/** Begins an answer, and never finishes it. */
export const stalled = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('{"access_token":');
};

/** Breaks the connection. */
export const broken = (response: ServerResponse): void => void response.destroy();
