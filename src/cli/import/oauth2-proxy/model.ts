/**
 * An oauth2-proxy as it is configured, whether by options or by an alpha configuration: what the rest of the import reads.
 * oauth2-proxy converts its options in the same way (`pkg/apis/options/legacy_options.go`).
 */

import { ConfigFault } from '../../../errors.ts';
import { ALPHA_PROVIDER_ROWS, ALPHA_ROWS, ALPHA_SERVER_ROWS } from './alpha-rows.ts';
import { optionOf } from './options/table.ts';
import type { Sources } from './read/files.ts';
import type { Origin, Report } from './report.ts';
import { isDefault, readValue, Settings } from './settings.ts';

/** A provider. */
export interface OldProvider {
  readonly settings: Settings;
  /** `null` where it has none. */
  readonly id: string | null;
  /** Parameters of the authorization request, with the origin of each. */
  readonly parameters: readonly { readonly name: string; readonly value: string; readonly origin: Origin }[];
}

/** An upstream. */
export interface OldUpstream {
  /** What requests are matched by: a path, or a regular expression where there is a `rewriteTarget`. */
  readonly path: string;
  readonly rewriteTarget: string | null;
  /** `null`: a fixed answer. */
  readonly uri: string | null;
  readonly passesHost: boolean;
  readonly proxiesWebSockets: boolean;
  /** `null` where it is not set. */
  readonly timeoutMs: number | null;
  readonly skipsVerification: boolean;
  readonly origin: Origin;
  /** Of the settings that are not its address; `null` where they are not set. */
  readonly origins: Readonly<Record<'host' | 'webSockets' | 'timeout' | 'verification', Origin | null>>;
}

/** A header that a user's claim is written into, or a fixed value. */
export interface OldHeader {
  readonly name: string;
  readonly claim: string | null;
  readonly prefix: string;
  readonly isBasic: boolean;
  /** A value, or a reference to one. */
  readonly fixed: { readonly kind: 'value' | 'variable' | 'file'; readonly text: string } | null;
  readonly origin: Origin;
}

/** All of it. */
export interface OldConfiguration {
  readonly settings: Settings;
  readonly providers: readonly OldProvider[];
  readonly upstreams: readonly OldUpstream[];
  /** Of requests to upstreams. */
  readonly requestHeaders: readonly OldHeader[];
  /** Of answers: to browsers, and to a proxy that asks. */
  readonly responseHeaders: readonly OldHeader[];
}

/**
 * Reads the sources as one configuration.
 *
 * @throws ConfigFault when an alpha configuration has what oauth2-proxy refuses
 */
export function readModel({ settings, alpha }: Sources, report: Report): OldConfiguration {
  if (alpha !== null) return readAlpha(settings, alpha, report);
  return {
    settings,
    providers: [{ settings, id: null, parameters: [] }],
    upstreams: legacyUpstreams(settings),
    requestHeaders: legacyRequestHeaders(settings),
    responseHeaders: legacyResponseHeaders(settings),
  };
}

function legacyUpstreams(settings: Settings): OldUpstream[] {
  const origin = settings.get('upstreams');
  if (origin === null) return [];
  const origins = {
    host: settings.get('pass_host_header'),
    webSockets: settings.get('proxy_websockets'),
    timeout: settings.get('upstream_timeout'),
    verification: settings.get('ssl_upstream_insecure_skip_verify'),
  };
  return settings.list('upstreams').map((uri): OldUpstream => {
    const url = URL.parse(uri);
    if (url === null) throw new ConfigFault(`${origin.file}: ${origin.name} has an entry that is not a URL`);
    const isStatic = url.protocol === 'static:';
    const fragment = url.protocol === 'file:' ? url.hash.slice(1) : '';
    const isWhole = isStatic || url.protocol === 'unix:' || url.pathname === '';
    return {
      path: fragment !== '' ? fragment : isWhole ? '/' : url.pathname,
      rewriteTarget: null,
      uri: isStatic ? null : uri,
      passesHost: settings.holds('pass_host_header'),
      proxiesWebSockets: settings.holds('proxy_websockets'),
      timeoutMs: origins.timeout?.value ?? null,
      skipsVerification: settings.holds('ssl_upstream_insecure_skip_verify'),
      origin,
      origins,
    };
  });
}

const header = (name: string, claim: string, origin: Origin, extra: Partial<OldHeader> = {}): OldHeader => ({
  name,
  claim,
  prefix: '',
  isBasic: false,
  fixed: null,
  origin,
  ...extra,
});

const implied = (name: string): Origin => ({ name: `${name}, by default`, file: '' });

function legacyRequestHeaders(settings: Settings): OldHeader[] {
  const headers: OldHeader[] = [];
  const basic = settings.get('basic_auth_password');
  if (settings.holds('pass_basic_auth') && basic !== null)
    headers.push(header('Authorization', 'user', basic, { isBasic: true }));
  if (settings.holds('pass_basic_auth') || settings.holds('pass_user_headers')) {
    const origin = settings.get('pass_user_headers') ?? settings.get('pass_basic_auth') ?? implied('pass_user_headers');
    headers.push(header('X-Forwarded-Groups', 'groups', origin));
    const prefersEmail = settings.holds('prefer_email_to_user') ? settings.get('prefer_email_to_user') : null;
    if (prefersEmail !== null) headers.push(header('X-Forwarded-User', 'email', prefersEmail));
    else headers.push(header('X-Forwarded-User', 'user', origin), header('X-Forwarded-Email', 'email', origin));
    headers.push(header('X-Forwarded-Preferred-Username', 'preferred_username', origin));
  }
  const access = settings.get('pass_access_token');
  if (access?.value === true) headers.push(header('X-Forwarded-Access-Token', 'access_token', access));
  const authorization = settings.get('pass_authorization_header');
  if (authorization?.value === true)
    headers.push(header('Authorization', 'id_token', authorization, { prefix: 'Bearer ' }));
  return headers;
}

function legacyResponseHeaders(settings: Settings): OldHeader[] {
  const headers: OldHeader[] = [];
  const asked = settings.get('set_xauthrequest');
  if (asked?.value === true) {
    headers.push(
      header('X-Auth-Request-User', 'user', asked),
      header('X-Auth-Request-Email', 'email', asked),
      header('X-Auth-Request-Preferred-Username', 'preferred_username', asked),
      header('X-Auth-Request-Groups', 'groups', asked),
    );
    const access = settings.get('pass_access_token');
    if (access?.value === true) headers.push(header('X-Auth-Request-Access-Token', 'access_token', access));
  }
  const basic = settings.get('set_basic_auth');
  if (basic?.value === true) headers.push(header('Authorization', 'user', basic, { isBasic: true }));
  const authorization = settings.get('set_authorization_header');
  if (authorization?.value === true)
    headers.push(header('Authorization', 'id_token', authorization, { prefix: 'Bearer ' }));
  return headers;
}

type Plain = Readonly<Record<string, unknown>>;

const entriesOf = (value: unknown): Plain[] => (Array.isArray(value) ? (value as Plain[]) : []);
const textOf = (value: unknown) => (typeof value === 'string' ? value : null);

function readAlpha(core: Settings, { value, file }: NonNullable<Sources['alpha']>, report: Report): OldConfiguration {
  const leaves = [...leavesOf(value, '')];
  for (const { path } of leaves) checkKnown(path, file);
  const settings = new Settings();
  for (const setting of core.all) {
    if (optionOf(setting.key)?.isInAlpha !== true) settings.set(setting);
    else if (!isDefault(setting)) report.dropped(setting, 'oauth2-proxy refuses it beside an alpha configuration.');
  }
  for (const { path, value: written } of leaves) {
    const key = ALPHA_SERVER_ROWS[path];
    if (key !== undefined)
      settings.set({ key, value: readValue(key, written, { name: path, file }), name: path, file });
  }
  const upstreams = entriesOf((value['upstreamConfig'] as Plain | undefined)?.['upstreams']);
  return {
    settings,
    providers: entriesOf(value['providers']).map((entry, index) => alphaProvider(entry, index, file)),
    upstreams: upstreams.map((entry, index) => alphaUpstream(entry, index, file)),
    requestHeaders: alphaHeaders(value, 'injectRequestHeaders', file, report),
    responseHeaders: alphaHeaders(value, 'injectResponseHeaders', file, report),
  };
}

interface Leaf {
  /** With the indexes of lists: `providers[0].clientID`. */
  readonly path: string;
  readonly value: unknown;
}

/** Everything that is not a map; lists of maps count entry by entry. */
function* leavesOf(value: unknown, path: string): Generator<Leaf> {
  if (
    Array.isArray(value) &&
    value.some((entry) => typeof entry === 'object' && entry !== null) &&
    !path.endsWith('loginURLParameters')
  )
    for (const [index, entry] of value.entries()) yield* leavesOf(entry, `${path}[${index}]`);
  else if (typeof value === 'object' && value !== null && !Array.isArray(value))
    for (const [key, inner] of Object.entries(value)) yield* leavesOf(inner, path === '' ? key : `${path}.${key}`);
  else yield { path, value };
}

const KNOWN: ReadonlySet<string> = new Set(ALPHA_ROWS.map(({ path }) => path));

function checkKnown(path: string, file: string): void {
  if (!KNOWN.has(path.replaceAll(/\[\d+\]/g, '[]')))
    throw new ConfigFault(`${file}: ${path} is not a key of an alpha configuration of oauth2-proxy`);
}

function alphaProvider(entry: Plain, index: number, file: string): OldProvider {
  const settings = new Settings();
  const at = `providers[${index}]`;
  for (const { path, value } of leavesOf(entry, '')) {
    const key = ALPHA_PROVIDER_ROWS[path];
    if (key === undefined) continue;
    const name = `${at}.${path}`;
    settings.set({ key, value: readValue(key, value, { name, file }), name, file });
  }
  const parameters = entriesOf(entry['loginURLParameters']).flatMap((parameter) => {
    const [first] = Array.isArray(parameter['default']) ? (parameter['default'] as unknown[]) : [];
    const origin = { name: `${at}.loginURLParameters`, file };
    return typeof first === 'string' ? [{ name: String(parameter['name']), value: first, origin }] : [];
  });
  return { settings, id: textOf(entry['id']), parameters };
}

function alphaUpstream(entry: Plain, index: number, file: string): OldUpstream {
  const origin = { name: `upstreamConfig.upstreams[${index}]`, file };
  const originOf = (key: string) => (entry[key] === undefined ? null : { name: `${origin.name}.${key}`, file });
  const timeout = textOf(entry['timeout']);
  return {
    path: textOf(entry['path']) ?? '/',
    rewriteTarget: textOf(entry['rewriteTarget']),
    uri: entry['static'] === true ? null : textOf(entry['uri']),
    passesHost: entry['passHostHeader'] !== false,
    proxiesWebSockets: entry['proxyWebSockets'] !== false,
    timeoutMs:
      timeout === null
        ? null
        : (readValue('upstream_timeout', timeout, { name: `${origin.name}.timeout`, file }) as number),
    skipsVerification: entry['insecureSkipTLSVerify'] === true,
    origin,
    origins: {
      host: originOf('passHostHeader'),
      webSockets: originOf('proxyWebSockets'),
      timeout: originOf('timeout'),
      verification: originOf('insecureSkipTLSVerify'),
    },
  };
}

function alphaHeaders(value: Plain, list: string, file: string, report: Report): OldHeader[] {
  return entriesOf(value[list]).flatMap((entry, index): OldHeader[] => {
    const origin = { name: `${list}[${index}]`, file };
    const [first, ...others] = entriesOf(entry['values']);
    if (first === undefined) return [];
    if (others.length > 0) report.dropped(origin, 'A header has one value: only the first is carried over.');
    if (entry['preserveRequestValue'] === true)
      report.dropped(
        { name: `${origin.name}.preserveRequestValue`, file },
        'What a client sends under the name of an identity header is removed.',
      );
    const source = (first['claimSource'] ?? null) as Plain | null;
    const secret = (first['secretSource'] ?? null) as Plain | null;
    return [
      {
        name: String(entry['name']),
        claim: textOf(source?.['claim']),
        prefix: textOf(source?.['prefix']) ?? '',
        isBasic: source?.['basicAuthPassword'] !== undefined,
        fixed: secret === null ? null : fixedValue(secret),
        origin,
      },
    ];
  });
}

function fixedValue(secret: Plain): OldHeader['fixed'] {
  const [variable, path, text] = [textOf(secret['fromEnv']), textOf(secret['fromFile']), textOf(secret['value'])];
  if (variable !== null) return { kind: 'variable', text: variable };
  return path !== null ? { kind: 'file', text: path } : { kind: 'value', text: text ?? '' };
}
