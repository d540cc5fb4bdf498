/**
 * The kinds of value that configuration keys hold: durations, sizes, addresses, file paths, header names.
 *
 * In the YAML they are strings with units; in the loaded configuration durations are milliseconds, sizes are bytes,
 * file paths are absolute. A key whose change needs a restart bears `restart: true` in its metadata.
 */

import { BlockList, isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { isLoopbackHost } from '../lib/address.ts';
import { DURATION_PATTERN, formatDuration, parseDurationMs, parseSizeBytes, SIZE_PATTERN } from '../lib/text/units.ts';
import { MAX_TOKEN_LIFETIME_MS } from '../lib/token-limits.ts';
import { missing } from './files/files.ts';
import { codes } from './findings/codes.ts';

// Compiled validators pay off after thousands of values; here they would add 40 ms to each start, and they need a process
// that may evaluate strings as code.
z.config({ jitless: true });

/** What the schema needs from outside, so that validation itself reads nothing. */
export interface SchemaContext {
  /** Relative file paths in the configuration are relative to this directory. */
  readonly baseDir: string;
  /** Says what is wrong with a file that the configuration names (`names a file that does not exist`), or `null`. */
  readonly fileProblem: (absolutePath: string, kind: 'file' | 'directory') => string | null;
}

interface DurationLimits {
  readonly atLeastMs?: number;
  readonly atMostMs?: number;
}

/** The limits in words, for the reference page. */
function limitsText(atLeastMs: number, atMostMs: number): string {
  const limits = [
    ...(atLeastMs > 0 ? [`at least ${formatDuration(atLeastMs)}`] : []),
    ...(atMostMs < Number.MAX_SAFE_INTEGER ? [`at most ${formatDuration(atMostMs)}`] : []),
  ];
  return limits.join(', ');
}

const writtenDuration = ({ atLeastMs = 0, atMostMs = Number.MAX_SAFE_INTEGER }: DurationLimits) =>
  z
    .string({ error: 'must be a duration with a unit, such as 250ms, 30s, 2m or 12h' })
    .regex(DURATION_PATTERN, 'is not a duration: write a number and a unit (ms, s, m, h, d), such as 30s or 1h30m')
    .meta({ kind: 'duration', limits: limitsText(atLeastMs, atMostMs) })
    .transform((text) => parseDurationMs(text) ?? Number.NaN)
    .refine((ms) => !Number.isNaN(ms), 'is too long')
    .refine((ms) => ms >= atLeastMs, `must be at least ${formatDuration(atLeastMs)}`)
    .refine((ms) => ms <= atMostMs, `must be at most ${formatDuration(Math.min(atMostMs, 8.64e15))}`);

/** A duration key with a default; milliseconds once loaded. */
export const duration = (fallback: string, limits: DurationLimits = {}) => writtenDuration(limits).prefault(fallback);

/** The lifetime of a token that the gateway mints. Its section also lists it in `minted`. */
export const tokenLifetime = (fallback: string) =>
  duration(fallback, { atLeastMs: 5_000, atMostMs: MAX_TOKEN_LIFETIME_MS });

/** A duration key that may be absent; milliseconds once loaded. */
export const optionalDuration = (limits: DurationLimits = {}) => writtenDuration(limits).optional();

/** The keys of a throttle that slows attempts: the longest delay, and how long attempts count. */
export const slowing = ({ maxDelay = '5m', window = '1h' } = {}) => ({
  maxDelay: duration(maxDelay, { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
    description: 'Further attempts have to wait 1 s, 2 s, 4 s and so on, up to this.',
  }),
  window: duration(window, { atLeastMs: 1_000 }).meta({
    description: 'Counted attempts are forgotten after this long without another.',
  }),
});

const writtenSize = () =>
  z
    .string({ error: 'must be a size with a unit, such as 512B, 64KiB or 10MiB' })
    .regex(SIZE_PATTERN, 'is not a size: write a number and a unit (B, KiB, MiB, GiB), such as 10MiB')
    .meta({ kind: 'size' })
    .transform((text) => parseSizeBytes(text) ?? Number.NaN)
    .refine((bytes) => !Number.isNaN(bytes), 'is too large');

/** A size key with a default; bytes once loaded. */
export const size = (fallback: string) => writtenSize().prefault(fallback);

/** A size key that may be absent; bytes once loaded. */
export const optionalSize = () => writtenSize().optional();

const writtenCount = (limits: { atLeast?: number; atMost?: number }) =>
  z
    .int({ error: 'must be a whole number' })
    .min(limits.atLeast ?? 1)
    .max(limits.atMost ?? 1_000_000_000);

/** A whole number with a default and limits. */
export const count = (fallback: number, limits: { atLeast?: number; atMost?: number } = {}) =>
  writtenCount(limits).prefault(fallback);

/** A whole number of at least 1 that may be absent. */
export const optionalCount = () => writtenCount({}).optional();

/** `host:port` to listen on; an IPv6 host is written in brackets. */
export const listenAddress = () =>
  z
    .string({ error: 'must be an address: host:port' })
    .regex(/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'is not host:port (such as 0.0.0.0:8080 or [::]:8080)')
    .meta({ kind: 'host:port' })
    .transform((text) => {
      const at = text.lastIndexOf(':');
      return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
    })
    .refine(({ port }) => port <= 65_535, 'has a port above 65535');

/** A loaded listen address. Port 0 asks the system for a free one. */
export type ListenAddress = z.output<ReturnType<typeof listenAddress>>;

/**
 * `scheme://host[:port]` and nothing else, http only for this machine; loaded in its canonical form (lower case, default
 * port removed).
 */
export const origin = () =>
  z
    .string()
    .meta({ kind: 'origin' })
    .transform((text, { addIssue }) => {
      const url = URL.canParse(text) ? new URL(text) : null;
      if (
        url === null ||
        (url.protocol !== 'https:' && url.protocol !== 'http:') ||
        url.origin !== trimSlash(url.href)
      ) {
        addIssue('is not an origin: write scheme://host, such as https://shop.example.com');
        return z.NEVER;
      }
      if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
        addIssue({
          code: 'custom',
          message: `uses plain http on ${url.hostname}: browsers never send the session cookie there`,
          params: { code: codes['origin/insecure'], hint: `write https://${url.host}` },
        });
      }
      return url.origin;
    });

const trimSlash = (text: string) => (text.endsWith('/') ? text.slice(0, -1) : text);

const isHttpUrl = (text: string) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);

/** An absolute `http` or `https` URL without user, password or fragment. */
export const httpUrl = () =>
  z
    .string()
    .refine(isHttpUrl, 'is not an http(s) URL: begin it with http:// or https://')
    .refine(hasOnlyOrigin, 'must not contain a user, a password or a fragment')
    .meta({ kind: 'URL' });

/** As http, whose URLs have a canonical form; that of h2c is not registered anywhere. */
const asHttp = (text: string) => text.replace(/^h2c:/i, 'http:');

/**
 * `scheme://host[:port]` of one server: http, https, or h2c for HTTP/2 without TLS. A path is refused: use `rewrite`.
 * Canonical once loaded.
 */
export const serverOrigin = () =>
  z
    .string()
    .refine((text) => isHttpUrl(asHttp(text)), 'is not the URL of a server: begin it with http://, https:// or h2c://')
    .refine((text) => hasOnlyOrigin(asHttp(text)), 'must not contain a user, a password or a fragment')
    .refine(
      (text) => !isHttpUrl(asHttp(text)) || ['/', ''].includes(new URL(asHttp(text)).pathname),
      'must not have a path: use rewrite on the route',
    )
    .meta({ kind: 'origin' })
    .transform((text) => {
      const { origin: canonical } = new URL(asHttp(text));
      return /^h2c:/i.test(text) ? canonical.replace('http:', 'h2c:') : canonical;
    });

function hasOnlyOrigin(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url === null || (url.username === '' && url.password === '' && url.hash === '');
}

/**
 * A file that must exist and be readable; absolute once loaded.
 *
 * @param creation  how to get one, for the hint where it does not exist
 */
export const filePath = (context: SchemaContext, creation?: string) => existingPath(context, 'file', creation);

/** A directory that must exist; absolute once loaded. @param creation  as for a file */
export const directoryPath = (context: SchemaContext, creation?: string) =>
  existingPath(context, 'directory', creation);

/** The key `tls` of a section that connects to a server: whom to trust, and a client certificate. */
export const clientTls = (context: SchemaContext, serverName: string) =>
  z
    .strictObject({
      caFile: filePath(context)
        .optional()
        .meta({ description: 'CA of the server certificate, PEM. Default: the CAs of the system.' }),
      serverName: z.string().min(1).optional().meta({ description: serverName }),
      certFile: filePath(context).optional().meta({ description: 'Client certificate, PEM.' }),
      keyFile: filePath(context)
        .optional()
        .meta({ description: 'Key of the client certificate, PEM.', secretFile: 'TLS key' }),
    })
    .optional();

/** A file that may appear later and is opened when needed; absolute once loaded. */
export const unopenedFilePath = (context: SchemaContext) =>
  z
    .string()
    .min(1)
    .meta({ kind: 'file' })
    .transform((text) => resolve(context.baseDir, text));

const existingPath = (context: SchemaContext, kind: 'file' | 'directory', creation: string | undefined) =>
  z
    .string()
    .min(1)
    .meta({ kind })
    .transform((text, { addIssue }) => {
      const absolute = resolve(context.baseDir, text);
      const problem = context.fileProblem(absolute, kind);
      if (problem === null) return absolute;
      const hint = problem === missing(kind) ? creation : undefined;
      addIssue({ code: 'custom', message: problem, params: { code: codes['config/file'], ...(hint && { hint }) } });
      return absolute;
    });

/** A field name (RFC 9110 §5.1) that a route may set or remove: not one that frames the message. */
export const headerName = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'is not a header name')
    .refine((name) => !FRAMING_HEADERS.has(name.toLowerCase()), 'is a header that the gateway controls')
    .meta({ kind: 'header name' });

/**
 * The header in which an upstream gets a token: `Authorization`, in any spelling, as a Bearer token, another one as it is. It is
 * held as `Authorization` then, so that later stages need not fold its case.
 */
export const tokenHeaderName = () =>
  headerName().transform((name) => (name.toLowerCase() === 'authorization' ? 'Authorization' : name));

/** A field value without controls (RFC 9110 §5.5). */
export const headerValue = () =>
  z
    .string()
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$|^$/, 'must be visible ASCII')
    .meta({ kind: 'header value' });

const FRAMING_HEADERS = new Set([
  'connection',
  'content-length',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
]);

/** A domain name of at least two labels. */
export const domainName = () =>
  z
    .string()
    .regex(
      /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/,
      'is not a domain: use lower case letters, digits, "-" and ".", such as example.com (an internationalised name as xn--…)',
    )
    .meta({ kind: 'domain' });

/** A name in the configuration that other keys refer to. */
export const name = () =>
  z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/, 'is not a name: use lower case letters, digits, "-", "." and "_"')
    .meta({ kind: 'name' });

/** A list of CIDR blocks or single addresses; a `BlockList` to ask once loaded. */
export const cidrList = () =>
  z.array(
    z
      .string()
      .refine((text) => {
        const [address = '', bits, ...rest] = text.split('/');
        const family = isIP(address);
        if (family === 0 || rest.length > 0) return false;
        return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
      }, 'is not a CIDR block, such as 10.0.0.0/8')
      .meta({ kind: 'CIDR block' }),
  );

/** The set of addresses that a list of CIDR blocks describes; `null` for an empty list. */
export function toBlockList(cidrs: readonly string[]): BlockList | null {
  if (cidrs.length === 0) return null;
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** One value, or a list of at least one; a list once loaded. */
export const oneOrMany = <T extends z.ZodType>(item: T) =>
  z.union([item, z.array(item).min(1)]).transform((value) => (Array.isArray(value) ? value : [value]));

/** Whether a map has at least one key, for `refine`. */
export const notEmpty = (value: object) => Object.keys(value).length > 0;

const SOURCE_PATTERN =
  /^(?:subject|issuer|actor(?:\.issuer)?|user\.[A-Za-z0-9_-]+|session\.(?:createdAt|method)|token\.[A-Za-z0-9_:/.-]+)$/;

/**
 * The source of a claim or an identity header: `subject`; `issuer`, whose subject it is where it is not ours; `actor` and
 * `actor.issuer`, the same of the service that calls on behalf of the subject; `user.<attribute>`, `session.createdAt`,
 * `session.method`; or, for a service, `token.<claim>`.
 */
export const principalSource = () =>
  z
    .string()
    .regex(
      SOURCE_PATTERN,
      'is not a source: use subject, issuer, actor, actor.issuer, user.<attribute>, session.createdAt, session.method or token.<claim>',
    )
    .meta({ kind: 'source' });
