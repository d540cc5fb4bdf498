/** docs/how-to/move-from-ingress-nginx.md: every annotation has a row, and the commands of the example print what the page says. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cli, temporaryDirectory } from '../cli/support.ts';
import { blocksOf } from './blocks.ts';
import { shellCommands } from './shell.ts';

const PATH = 'docs/how-to/move-from-ingress-nginx.md';
const PAGE = readFileSync(join(import.meta.dirname, '../..', PATH), 'utf8');

/** The table of ingress-nginx's docs/user-guide/nginx-configuration/annotations.md, without the prefix. */
const ANNOTATIONS = `
  app-root affinity affinity-mode affinity-canary-behavior auth-realm auth-secret auth-secret-type auth-type
  auth-tls-secret auth-tls-verify-depth auth-tls-verify-client auth-tls-error-page
  auth-tls-pass-certificate-to-upstream auth-url auth-cache-key auth-cache-duration auth-proxy-set-headers
  auth-snippet enable-global-auth backend-protocol canary canary-by-header canary-by-header-value
  canary-by-header-pattern canary-by-cookie canary-weight canary-weight-total client-body-buffer-size
  configuration-snippet custom-http-errors default-backend enable-cors cors-allow-origin cors-allow-methods
  cors-allow-headers cors-expose-headers cors-allow-credentials cors-max-age force-ssl-redirect from-to-www-redirect
  http2-push-preload limit-connections limit-rps global-rate-limit global-rate-limit-window global-rate-limit-key
  global-rate-limit-ignored-cidrs permanent-redirect permanent-redirect-code temporal-redirect preserve-trailing-slash
  proxy-body-size proxy-cookie-domain proxy-cookie-path proxy-connect-timeout proxy-send-timeout proxy-read-timeout
  proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries proxy-request-buffering
  proxy-redirect-from proxy-redirect-to proxy-http-version proxy-ssl-secret proxy-ssl-ciphers proxy-ssl-name
  proxy-ssl-protocols proxy-ssl-verify proxy-ssl-verify-depth proxy-ssl-server-name enable-rewrite-log rewrite-target
  satisfy server-alias server-snippet service-upstream session-cookie-name session-cookie-path
  session-cookie-change-on-failure session-cookie-samesite session-cookie-conditional-samesite-none ssl-redirect
  ssl-passthrough stream-snippet upstream-hash-by x-forwarded-prefix load-balance upstream-vhost
  whitelist-source-range proxy-buffering proxy-buffers-number proxy-buffer-size proxy-max-temp-file-size ssl-ciphers
  ssl-prefer-server-ciphers connection-proxy-header enable-access-log enable-opentracing
  opentracing-trust-incoming-span enable-influxdb influxdb-measurement influxdb-port influxdb-host
  influxdb-server-name use-regex enable-modsecurity enable-owasp-core-rules modsecurity-transaction-id
  modsecurity-snippet mirror-request-body mirror-target
`;

test('every annotation of ingress-nginx has a row', () => {
  const cells = [...PAGE.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) => cell.match(/`[^`]+`/g) ?? []);
  const patterns = cells.map((cell) => {
    const [name = ''] = cell.slice(1, -1).split(':');
    return new RegExp(`^${name.replaceAll('*', '[\\w-]*')}$`);
  });
  const names = ANNOTATIONS.trim().split(/\s+/);
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name) => !patterns.some((pattern) => pattern.test(name)))).toEqual([]);
});

test('the example is valid, and the service gets the path without its prefix', async () => {
  const directory = temporaryDirectory();
  const blocks = blocksOf(PATH, PAGE);
  const configuration = blocks.find(({ text }) => text.startsWith('version: 1')) ?? { text: '' };
  writeFileSync(join(directory, 'sallyport.yaml'), configuration.text);
  const script = blocks.find(({ text }) => text.includes('sallyport explain')) ?? { text: '' };
  const [validated, explained] = await Promise.all(
    shellCommands(script.text).map(({ args }) => cli([...args], { cwd: directory })),
  );
  expect(validated).toMatchObject({ code: 0 });
  expect(explained).toMatchObject({ code: 0, out: expect.stringMatching(/Upstream +reports: GET \S+\/2026\n/) });
});
