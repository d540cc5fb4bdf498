/** Options of oauth2-proxy about listeners, logs, pages and the program itself. */

import type { OptionEntry } from './row.ts';

/** About where it listens. */
export const SERVER_ROWS = {
  http_address: {
    type: 'text',
    default: '127.0.0.1:4180',
    becomes: ['listeners.public.address'],
    text: 'Written even if it is not set. `unix://` and `fd:` have no equivalent.',
    isInAlpha: true,
  },
  https_address: {
    type: 'text',
    default: ':443',
    becomes: ['listeners.public.address'],
    text: 'With a certificate, in place of `http_address`.',
    isInAlpha: true,
  },
  tls_cert_file: { type: 'text', becomes: ['listeners.public.tls.certificates'], text: 'As it is.', isInAlpha: true },
  tls_key_file: { type: 'text', becomes: ['listeners.public.tls.certificates'], text: 'As it is.', isInAlpha: true },
  tls_min_version: {
    type: 'text',
    becomes: ['listeners.public.tls.minVersion'],
    text: '`TLSv1.2` or `TLSv1.3`.',
    isInAlpha: true,
  },
  tls_cipher_suites: {
    flag: 'tls-cipher-suite',
    type: 'list',
    becomes: 'dropped',
    text: 'The cipher suites are those of Node. `minVersion: TLSv1.3` leaves only those of TLS 1.3.',
    isInAlpha: true,
  },
  metrics_address: {
    type: 'text',
    becomes: ['listeners.admin.address'],
    text: '`/metrics` is on the admin listener, beside the probes.',
    isInAlpha: true,
  },
  metrics_secure_address: {
    type: 'text',
    becomes: 'dropped',
    text: 'The admin listener speaks plain HTTP.',
    isInAlpha: true,
  },
  metrics_tls_cert_file: {
    type: 'text',
    becomes: 'dropped',
    text: 'The admin listener speaks plain HTTP.',
    isInAlpha: true,
  },
  metrics_tls_key_file: {
    type: 'text',
    becomes: 'dropped',
    text: 'The admin listener speaks plain HTTP.',
    isInAlpha: true,
  },
} as const satisfies Readonly<Record<string, OptionEntry>>;

const FORMAT = 'Logs are JSON lines with named fields.';
const ROTATION = 'Logs go to standard output; whatever collects them rotates them.';

/** About logs. */
export const LOGGING_ROWS = {
  request_logging: { type: 'boolean', default: true, becomes: ['log.access'], text: '`off`.' },
  request_logging_format: { type: 'text', becomes: 'dropped', text: FORMAT },
  auth_logging: {
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    contrary: false,
    text: 'Logins, logouts and refusals are always in the audit stream.',
  },
  auth_logging_format: { type: 'text', becomes: 'dropped', text: FORMAT },
  standard_logging: { type: 'boolean', default: true, becomes: ['log.level'], text: '`error`.' },
  standard_logging_format: { type: 'text', becomes: 'dropped', text: FORMAT },
  errors_to_info_log: { type: 'boolean', becomes: 'builtIn', text: 'All logs go to standard output.' },
  exclude_logging_paths: {
    flag: 'exclude-logging-path',
    type: 'list',
    becomes: 'dropped',
    text: 'No path is left out. `log.access: errors` leaves out requests that are answered well.',
  },
  silence_ping_logging: {
    type: 'boolean',
    becomes: 'builtIn',
    text: 'Requests to the admin listener are not in the access log.',
  },
  request_id_header: {
    type: 'text',
    default: 'X-Request-Id',
    becomes: 'dropped',
    text: 'The gateway makes the id of a request, and sends it as `X-Request-Id`.',
  },
  logging_filename: {
    type: 'text',
    becomes: 'dropped',
    text: `${ROTATION} The audit stream can have a file: \`log.auditFile\`.`,
  },
  logging_max_size: { type: 'number', default: 100, becomes: 'dropped', text: ROTATION },
  logging_max_age: { type: 'number', default: 7, becomes: 'dropped', text: ROTATION },
  logging_max_backups: { type: 'number', becomes: 'dropped', text: ROTATION },
  logging_compress: { type: 'boolean', becomes: 'dropped', text: ROTATION },
  logging_local_time: { type: 'boolean', default: true, becomes: 'builtIn', text: 'Times are in UTC.' },
} as const satisfies Readonly<Record<string, OptionEntry>>;

const TEMPLATES = 'The pages have your name, logo and colours (`pages`), and no templates.';

/** About the pages that people see. */
export const PAGE_ROWS = {
  custom_sign_in_logo: {
    type: 'text',
    becomes: ['pages.logoFile'],
    text: 'A file that is SVG or PNG. Pages load nothing from elsewhere, so a URL is not carried over; `-` needs nothing.',
  },
  custom_templates_dir: { type: 'text', becomes: 'dropped', text: TEMPLATES },
  banner: {
    type: 'text',
    becomes: ['login.title'],
    text: 'The heading of the login page, if it is plain text; `-` needs nothing.',
  },
  footer: { type: 'text', becomes: 'dropped', text: TEMPLATES },
  show_debug_on_error: {
    type: 'boolean',
    becomes: 'dropped',
    text: 'A page says what happened and the id of the request. The log has the rest.',
  },
} as const satisfies Readonly<Record<string, OptionEntry>>;

/** About the program itself; they are given on the command line only. */
export const PROGRAM_ROWS = {
  config: {
    type: 'text',
    becomes: 'builtIn',
    text: '`sallyport start --config`. Give the file to the import as well.',
  },
  alpha_config: { type: 'text', becomes: 'builtIn', text: 'Give the file to the import as well.' },
  convert_config_to_alpha: { type: 'boolean', becomes: 'builtIn', text: 'There is one format.' },
  config_test: {
    type: 'boolean',
    becomes: 'builtIn',
    text: '`sallyport validate`, and `sallyport check oidc` for the provider.',
  },
  version: { type: 'boolean', becomes: 'builtIn', text: '`sallyport version`.' },
} as const satisfies Readonly<Record<string, OptionEntry>>;
