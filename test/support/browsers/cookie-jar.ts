/**
 * A cookie jar that works like a browser's (RFC 6265bis): what a server may set, and which request carries it. It
 * refuses what a browser refuses, so a login that works here does not work by accident.
 */

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly host: string;
  readonly isHostOnly: boolean;
  readonly path: string;
  readonly isSecure: boolean;
  readonly isHttpOnly: boolean;
  readonly sameSite: 'strict' | 'lax' | 'none';
  /** `Infinity`: until the browser ends. */
  readonly expiresMs: number;
}

/** A top-level navigation. */
interface Navigation {
  readonly method: string;
  /** The page that it starts from; `null` for a typed address. */
  readonly initiator: URL | null;
}

/** Browsers keep no longer than this, and no more for one host (RFC 6265bis §5.6, §6.1). */
const [MAX_AGE_MS, MAX_PER_HOST, MAX_BYTES] = [400 * 86_400_000, 180, 4_096];

export class CookieJar {
  #cookies: Cookie[] = [];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** All cookies of this host, with or without `HttpOnly`: name → value. */
  of(host: string): Readonly<Record<string, string>> {
    const kept = this.#kept().filter((cookie) => matchesHost(cookie, host));
    return Object.fromEntries(kept.map(({ name, value }) => [name, value]));
  }

  /** A cookie with all its attributes. */
  get(host: string, name: string): Cookie | null {
    return this.#kept().find((cookie) => cookie.name === name && matchesHost(cookie, host)) ?? null;
  }

  /** Puts a cookie into the jar as if the server of this host had set it, without any check. */
  put(host: string, name: string, value: string): void {
    this.store(`${name}=${value}; Path=/; Secure; HttpOnly; SameSite=None`, new URL(`https://${host}`));
  }

  /** Forgets one of the cookies of a host. */
  forget(host: string, name: string): void {
    this.#cookies = this.#cookies.filter((cookie) => cookie.name !== name || !matchesHost(cookie, host));
  }

  /** Stores a `Set-Cookie` line, or ignores it as a browser would. */
  store(line: string, from: URL): void {
    const cookie = this.#parse(line, from);
    if (cookie === null) return;
    const same = (other: Cookie) =>
      other.name === cookie.name && other.host === cookie.host && other.path === cookie.path;
    // A replaced cookie keeps its place: browsers send the oldest cookies first (§5.8.3).
    this.#cookies = this.#kept();
    const at = this.#cookies.findIndex(same);
    if (at < 0) this.#cookies.push(cookie);
    else this.#cookies[at] = cookie;
    this.#cookies = this.#kept();
    const ofHost = this.#cookies.filter(({ host }) => host === cookie.host);
    const excess = ofHost.slice(0, Math.max(0, ofHost.length - MAX_PER_HOST));
    if (excess.length > 0) this.#cookies = this.#cookies.filter((other) => !excess.includes(other));
  }

  /** The `Cookie` header of a navigation; empty if there is none. */
  headerFor(url: URL, { method, initiator }: Navigation): string {
    const isSameSite = initiator === null || siteOf(initiator) === siteOf(url);
    const isSent = (cookie: Cookie) =>
      matchesHost(cookie, url.hostname) &&
      matchesPath(cookie.path, url.pathname) &&
      (!cookie.isSecure || isTrustworthy(url)) &&
      (isSameSite || cookie.sameSite === 'none' || (cookie.sameSite === 'lax' && method === 'GET'));
    return this.#kept()
      .filter(isSent)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  #kept(): Cookie[] {
    const nowMs = this.#nowMs();
    return this.#cookies.filter(({ expiresMs }) => expiresMs > nowMs);
  }

  #parse(line: string, from: URL): Cookie | null {
    const [pair = '', ...rest] = line.split(';');
    const equals = pair.indexOf('=');
    if (equals <= 0) return null;
    const [name, value] = [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()];
    const attributes = new Map(rest.map(attribute));
    const path = attributes.get('path');
    const domain = (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase();
    const cookie: Cookie = {
      name,
      value,
      host: domain === '' ? from.hostname : domain,
      isHostOnly: domain === '',
      path: path?.startsWith('/') === true ? path : defaultPath(from),
      isSecure: attributes.has('secure'),
      isHttpOnly: attributes.has('httponly'),
      sameSite: sameSiteOf(attributes.get('samesite')),
      expiresMs: this.#expiry(attributes),
    };
    return isAllowed(cookie, from) ? cookie : null;
  }

  #expiry(attributes: ReadonlyMap<string, string>): number {
    const latestMs = this.#nowMs() + MAX_AGE_MS;
    const maxAge = attributes.get('max-age');
    if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) {
      return Math.min(this.#nowMs() + Number(maxAge) * 1_000, latestMs);
    }
    const expiresMs = Date.parse(attributes.get('expires') ?? '');
    return Number.isNaN(expiresMs) ? Number.POSITIVE_INFINITY : Math.min(expiresMs, latestMs);
  }
}

/** Scheme and registrable domain, assumed to have two labels. Two origins of one site differ in port or sub-domain. */
export function siteOf({ protocol, hostname }: URL): string {
  const isAddress = /^[\d.]+$/.test(hostname) || hostname.startsWith('[');
  return `${protocol}//${isAddress ? hostname : hostname.split('.').slice(-2).join('.')}`;
}

/** Chromium and Firefox treat loopback as secure, even without TLS. */
const isTrustworthy = ({ protocol, hostname }: URL) =>
  protocol === 'https:' || hostname === 'localhost' || hostname === '127.0.0.1';

/** RFC 6265bis §5.7. */
function isAllowed(cookie: Cookie, from: URL): boolean {
  if (cookie.name.length + cookie.value.length > MAX_BYTES) return false;
  if (!cookie.isHostOnly && !matchesHost(cookie, from.hostname)) return false;
  if (cookie.isSecure && !isTrustworthy(from)) return false;
  if (cookie.sameSite === 'none' && !cookie.isSecure) return false;
  const name = cookie.name.toLowerCase();
  if (name.startsWith('__secure-') && !cookie.isSecure) return false;
  return !name.startsWith('__host-') || (cookie.isSecure && cookie.isHostOnly && cookie.path === '/');
}

const matchesHost = ({ host, isHostOnly }: Cookie, hostname: string) =>
  hostname === host || (!isHostOnly && hostname.endsWith(`.${host}`));

const matchesPath = (path: string, requested: string) =>
  requested === path || (requested.startsWith(path) && (path.endsWith('/') || requested[path.length] === '/'));

function defaultPath({ pathname }: URL): string {
  const end = pathname.lastIndexOf('/');
  return end <= 0 ? '/' : pathname.slice(0, end);
}

function attribute(text: string): readonly [string, string] {
  const equals = text.indexOf('=');
  if (equals === -1) return [text.trim().toLowerCase(), ''];
  return [text.slice(0, equals).trim().toLowerCase(), text.slice(equals + 1).trim()];
}

/** Without the attribute, the default is Lax. */
function sameSiteOf(value = 'lax'): Cookie['sameSite'] {
  const lower = value.toLowerCase();
  return lower === 'strict' || lower === 'none' ? lower : 'lax';
}
