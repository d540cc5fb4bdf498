/** A browser that logs in at the provider of the benchmarks (servers/provider.ts), as cheaply as possible. */

import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { PUBLIC_ORIGIN } from './gateway.ts';
import { HOST } from './http.ts';

/** What browsers share that bring no agent: as many connections as there are requests under way. */
const sharedAgent = new Agent({ keepAlive: true, maxSockets: 1_000 });

interface Step {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** A browser somewhere, with the cookies that it was given. */
export class Browser {
  readonly #port: number;
  readonly #agent: Agent;
  readonly #address = someAddress();
  readonly #cookies = new Map<string, string>();

  /** @param agent  its connections; default: those that all share */
  constructor(port: number, agent = sharedAgent) {
    this.#port = port;
    this.#agent = agent;
  }

  /** A cookie of logins as the gateway gives them, without having asked for it. */
  inventCookie(): void {
    const id = randomBytes(32).toString('base64url');
    this.#cookies.set(`__Host-login-${id.slice(0, 4)}`, id);
  }

  /** One request of a navigation. */
  navigate(path: string): Promise<Step> {
    const headers = {
      Host: HOST,
      Accept: 'text/html',
      'Sec-Fetch-Mode': 'navigate',
      'Sec-Fetch-Dest': 'document',
      'X-Forwarded-For': this.#address,
      Cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; '),
    };
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        { agent: this.#agent, host: '127.0.0.1', port: this.#port, path, headers },
        (response) => {
          for (const line of response.headers['set-cookie'] ?? []) {
            const [name = '', value = ''] = line.split(';', 1)[0]?.split('=') ?? [];
            this.#cookies.set(name, value);
          }
          response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
        },
      );
      outgoing.on('error', reject).end();
    });
  }

  /** Goes to a page, and through the login that it asks for; whether the page was shown. */
  async logIn(path: string): Promise<boolean> {
    let next = path;
    for (let hop = 0; hop < 8; hop += 1) {
      const { status, headers } = await this.navigate(next);
      if (status === 200) return next === path;
      if (headers.location === undefined) return false;
      const url = new URL(headers.location, PUBLIC_ORIGIN);
      next = url.origin === PUBLIC_ORIGIN ? url.pathname + url.search : answerOf(url);
    }
    return false;
  }
}

/** What the provider would answer: see servers/provider.ts. */
function answerOf(request: URL): string {
  const { searchParams: asked, origin } = request;
  const code = `user-${randomBytes(6).toString('hex')}.${asked.get('nonce')}`;
  const answer = new URLSearchParams({ code, state: asked.get('state') ?? '', iss: origin });
  return `${new URL(asked.get('redirect_uri') ?? '').pathname}?${answer}`;
}

const someAddress = () => `10.${[...randomBytes(3)].join('.')}`;
