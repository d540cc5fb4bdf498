/** Logs in at a peer as a browser does, through the provider of the benchmark (bench/load/servers/provider.ts). */

import { type Answer, get } from '../load/http.ts';

/** The cookies that a peer has set and not removed. */
class Cookies {
  readonly #values = new Map<string, string>();

  take({ headers }: Answer): void {
    for (const line of [headers['set-cookie'] ?? []].flat()) {
      const [pair = '', ...attributes] = line.split('; ');
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      const expires = attributes.find((it) => /^expires=/i.test(it))?.slice('expires='.length);
      const isRemoved = value === '' || (expires !== undefined && Date.parse(expires) < Date.now());
      if (isRemoved) this.#values.delete(name);
      else this.#values.set(name, value);
    }
  }

  get header(): string {
    return [...this.#values].map((pair) => pair.join('=')).join('; ');
  }
}

/**
 * Goes to a page that needs a login, and through that login.
 *
 * @returns the Cookie header value of the session
 * @throws Error when the peer does not send to the provider, or refuses what comes back
 */
export async function logIn(port: number, path: string, user: string): Promise<string> {
  const cookies = new Cookies();
  const sent = await get(port, path, { accept: 'text/html' });
  cookies.take(sent);
  const location = sent.headers['location'];
  if (typeof location !== 'string') throw new Error(`a login was not begun: ${sent.status} ${sent.body.slice(0, 200)}`);
  const { searchParams: asked, origin } = new URL(location);
  const callback = new URL(asked.get('redirect_uri') ?? '');
  const parameters = { code: `${user}.${asked.get('nonce')}`, state: asked.get('state') ?? '', iss: origin };
  const target = `${callback.pathname}?${new URLSearchParams(parameters)}`;
  const answer = await get(port, target, { cookie: cookies.header, accept: 'text/html' });
  cookies.take(answer);
  if (answer.status !== 302) throw new Error(`a login was refused: ${answer.status} ${answer.body.slice(0, 200)}`);
  return cookies.header;
}
