/** Where the gateway listens and for which origin, what it logs, and what its pages show. */

import type { ImportOutput } from './draft.ts';
import type { Settings } from './settings.ts';

interface ServerParts extends Omit<ImportOutput, 'secrets'> {
  readonly settings: Settings;
}

const PLACEHOLDER = 'https://app.example.com';

/**
 * Writes `publicOrigin` and `basePath`.
 *
 * @param given  origins of the command line, which win
 */
export function writeOrigin({ settings, draft, report }: ServerParts, given: readonly string[]): void {
  const redirect = settings.get('redirect_url');
  const url = redirect === null ? null : URL.parse(redirect.value);
  const prefix = `/${(settings.text('proxy_prefix') ?? '/oauth2')
    .split('/')
    .filter((part) => part !== '')
    .join('/')}`;
  const isPath = /^\/[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*$/.test(prefix);
  if (given.length > 0) draft.set(['publicOrigin'], given.length === 1 ? (given[0] ?? '') : given, '--public-origin');
  else if (url !== null && isUsable(url)) draft.set(['publicOrigin'], url.origin, redirect);
  else {
    const host = url === null ? null : `https://${url.hostname}`;
    draft.set(['publicOrigin'], host ?? PLACEHOLDER, redirect, 'SET THIS: the address that browsers see');
    report.todo(
      `Set \`publicOrigin\` (or import with \`--public-origin\`): ${redirect === null ? 'without `redirect_url` oauth2-proxy takes the host of each request' : `\`${redirect.name}\` is not an https address`}.`,
    );
  }
  draft.carry(redirect);
  draft.set(['basePath'], isPath ? prefix : '/oauth2', settings.get('proxy_prefix') ?? 'proxy_prefix, by default');
  if (url !== null && redirect !== null && url.pathname !== `${prefix}/callback` && url.pathname !== '/')
    report.different(
      redirect,
      `The redirect URI is ${prefix}/callback, which is the only path at which oauth2-proxy answers.`,
    );
}

/** https, or http on this machine. */
const isUsable = ({ protocol, hostname }: URL) =>
  protocol === 'https:' || (protocol === 'http:' && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(hostname));

/** Writes `listeners`. */
export function writeListeners(parts: ServerParts): void {
  const { settings, draft } = parts;
  const [cert, key] = [settings.get('tls_cert_file'), settings.get('tls_key_file')];
  const force = settings.get('force_https');
  const at = ['listeners', 'public'];
  const plain = addressOf(parts, 'http_address') ?? '127.0.0.1:4180';
  if (cert !== null && key !== null) {
    draft.set(
      [...at, 'address'],
      addressOf(parts, 'https_address') ?? '0.0.0.0:443',
      settings.get('https_address') ?? 'https_address, by default',
    );
    draft.set([...at, 'tls', 'certificates'], [{ certFile: cert.value, keyFile: key.value }], cert, key);
    const minVersion = settings.get('tls_min_version');
    const version = /^TLS1\.([23])$/.exec(minVersion?.value ?? '')?.[1];
    if (version !== undefined) draft.set([...at, 'tls', 'minVersion'], `TLSv1.${version}`, minVersion);
    if (force?.value === true)
      draft.set(['listeners', 'redirect', 'address'], plain, settings.get('http_address'), force);
  } else {
    draft.set([...at, 'address'], plain, settings.get('http_address') ?? 'http_address, by default');
    if (force?.value === true) parts.report.dropped(force, 'TLS is terminated elsewhere: redirect there.');
  }
  writeProxies(parts);
  const metrics = addressOf(parts, 'metrics_address');
  draft.set(
    ['listeners', 'admin', 'address'],
    metrics ?? '127.0.0.1:9090',
    settings.get('metrics_address') ?? 'probes and metrics',
  );
  if (metrics !== null && !/^(?:127\.|\[::1\])/.test(metrics)) {
    draft.set(['listeners', 'admin', 'tokenFile'], 'admin-token', 'the admin API can be reached from elsewhere');
    parts.report.todo('Create the token of the admin API: `openssl rand -base64 48 > admin-token`.');
  }
  parts.report.todo('Let probes ask `/livez` and `/readyz`, and Prometheus `/metrics`, on `listeners.admin`.');
}

function addressOf(
  { settings, report }: ServerParts,
  key: 'http_address' | 'https_address' | 'metrics_address',
): string | null {
  const setting = settings.get(key);
  if (setting === null || setting.value === '-') return null;
  const { host, port } =
    /^(?:https?:\/\/)?(?<host>[^:/]*|\[[0-9a-fA-F:]+\]):(?<port>\d+)$/.exec(setting.value)?.groups ?? {};
  if (host === undefined || port === undefined) {
    report.dropped(setting, 'A listener has host and port.');
    return null;
  }
  return `${host === '' ? '0.0.0.0' : host === 'localhost' ? '127.0.0.1' : host}:${port}`;
}

function writeProxies({ settings, draft, report }: ServerParts): void {
  const reverse = settings.get('reverse_proxy');
  if (reverse?.value !== true) return;
  const listed = settings.list('trusted_proxy_ips');
  const path = ['listeners', 'public', 'trustedProxies'];
  if (listed.length > 0) {
    draft.set(path, listed, settings.get('trusted_proxy_ips'), reverse);
    return;
  }
  draft.set(path, ['127.0.0.1'], reverse, 'SET THIS: the addresses of your proxies');
  report.different(reverse, 'oauth2-proxy trusts every peer about the client. Here only 127.0.0.1 is trusted.');
  report.todo('Set `listeners.public.trustedProxies` to the addresses of the proxies in front.');
}

/** Writes `log` and `pages`. */
export function writeLogsAndPages({ settings, draft, report }: ServerParts): void {
  const access = settings.get('request_logging');
  if (access?.value === false) draft.set(['log', 'access'], 'off', access);
  const standard = settings.get('standard_logging');
  if (standard?.value === false) draft.set(['log', 'level'], 'error', standard);
  const logo = settings.get('custom_sign_in_logo');
  if (logo === null || logo.value === '-') draft.carry(logo);
  else if (/\.(?:svg|png)$/i.test(logo.value) && !/^https?:/.test(logo.value))
    draft.set(['pages', 'logoFile'], logo.value, logo);
  else report.dropped(logo, 'A logo is a file that is SVG or PNG.');
  const banner = settings.get('banner');
  if (banner === null || banner.value === '-') draft.carry(banner);
  else if (/[<>&]/.test(banner.value)) report.dropped(banner, 'It is HTML. `login.title` is text.');
  else draft.set(['login', 'title'], banner.value, banner);
}
