/** The pages of the demo's identity provider: no scripts, nothing from elsewhere. */

import type { KoaContextWithOIDC } from 'oidc-provider';
import { Html, html } from '../../src/lib/text/html.ts';

export interface Person {
  readonly name: string;
  readonly email: string;
  readonly roles: readonly string[];
  /** What a newcomer finds out by logging in as this one. */
  readonly about: string;
}

/** "Who are you?" */
export function peoplePage(uid: string, people: Readonly<Record<string, Person>>): string {
  const choices = Object.entries(people).map(
    ([sub, { name, about }]) => html`<form method="post" action="/interaction/${uid}/${sub}">
<button><strong>${name}</strong><br>${about}</button></form>`,
  );
  return page(
    'Who are you?',
    html`<p>This page belongs to the demo’s identity provider. In your own set-up it is that of Entra ID, Okta, Google, Keycloak
or what your company has. Here a click is enough.</p>${choices}
<form method="post" action="/interaction/${uid}/cancel"><button>Nobody: go back</button></form>`,
  );
}

/** Asks whether to log out of the provider too, or says that it is done. @param form  from the library */
export function logoutPage(koa: KoaContextWithOIDC, form: string | null): void {
  koa.type = 'html';
  koa.body =
    form === null
      ? page('Logged out', html`<p>You are logged out of the demo’s identity provider.</p>`)
      : page(
          'Log out here too?',
          html`${new Html(form)}<button form="op.logoutForm" name="logout" value="yes">Log out</button>
<button form="op.logoutForm">Stay logged in</button>`,
        );
}

/** What went wrong, in the words of the library. */
export function failurePage(koa: KoaContextWithOIDC, { error, error_description: description = '' }: Failure): void {
  koa.type = 'html';
  koa.body = page('That did not work', html`<p>${error}: ${description}</p><p>Start again at the shop.</p>`);
}

interface Failure {
  readonly error: string;
  readonly error_description?: string | undefined;
}

const page = (title: string, content: Html): string =>
  html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<style>
body { margin: 2rem auto; max-width: 32rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color-scheme: light dark }
button { width: 100%; margin: .5rem 0; padding: .75rem; font: inherit; text-align: left; cursor: pointer }
</style></head>
<body><main><h1>${title}</h1>${content}</main></body>
</html>
`.text;
