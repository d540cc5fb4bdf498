/** Options of oauth2-proxy about listeners, logs, pages and the program itself. */

import type { OptionRow } from './row.ts';

/** About where it listens. */
export const SERVER_ROWS = [
  {
    flag: 'http-address',
    key: 'http_address',
    type: 'text',
    default: '127.0.0.1:4180',
    becomes: ['listeners.public.address'],
    text: 'Written even if it is not set. `unix://` and `fd:` have no equivalent.',
    isInAlpha: true,
  },
  {
    flag: 'https-address',
    key: 'https_address',
    type: 'text',
    default: ':443',
    becomes: ['listeners.public.address'],
    text: 'With a certificate, in place of `http_address`.',
    isInAlpha: true,
  },
  {
    flag: 'tls-cert-file',
    key: 'tls_cert_file',
    type: 'text',
    becomes: ['listeners.public.tls.certificates'],
    text: 'As it is.',
    isInAlpha: true,
  },
  {
    flag: 'tls-key-file',
    key: 'tls_key_file',
    type: 'text',
    becomes: ['listeners.public.tls.certificates'],
    text: 'As it is.',
    isInAlpha: true,
  },
  {
    flag: 'tls-min-version',
    key: 'tls_min_version',
    type: 'text',
    becomes: ['listeners.public.tls.minVersion'],
    text: '`TLSv1.2` or `TLSv1.3`.',
    isInAlpha: true,
  },
  {
    flag: 'tls-cipher-suite',
    key: 'tls_cipher_suites',
    type: 'list',
    becomes: 'dropped',
    text: 'The cipher suites are those of Node. `minVersion: TLSv1.3` leaves only those of TLS 1.3.',
    isInAlpha: true,
  },
  {
    flag: 'metrics-address',
    key: 'metrics_address',
    type: 'text',
    becomes: ['listeners.admin.address'],
    text: '`/metrics` is on the admin listener, beside the probes.',
    isInAlpha: true,
  },
  {
    flag: 'metrics-secure-address',
    key: 'metrics_secure_address',
    type: 'text',
    becomes: 'dropped',
    text: 'The admin listener speaks plain HTTP.',
    isInAlpha: true,
  },
  {
    flag: 'metrics-tls-cert-file',
    key: 'metrics_tls_cert_file',
    type: 'text',
    becomes: 'dropped',
    text: 'The admin listener speaks plain HTTP.',
    isInAlpha: true,
  },
  {
    flag: 'metrics-tls-key-file',
    key: 'metrics_tls_key_file',
    type: 'text',
    becomes: 'dropped',
    text: 'The admin listener speaks plain HTTP.',
    isInAlpha: true,
  },
] as const satisfies readonly OptionRow[];

const FORMAT = 'Logs are JSON lines with named fields.';
const ROTATION = 'Logs go to standard output; whatever collects them rotates them.';

/** About logs. */
export const LOGGING_ROWS = [
  {
    flag: 'request-logging',
    key: 'request_logging',
    type: 'boolean',
    default: true,
    becomes: ['log.access'],
    text: '`off`.',
  },
  {
    flag: 'request-logging-format',
    key: 'request_logging_format',
    type: 'text',
    becomes: 'dropped',
    text: FORMAT,
  },
  {
    flag: 'auth-logging',
    key: 'auth_logging',
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    contrary: false,
    text: 'Logins, logouts and refusals are always in the audit stream.',
  },
  { flag: 'auth-logging-format', key: 'auth_logging_format', type: 'text', becomes: 'dropped', text: FORMAT },
  {
    flag: 'standard-logging',
    key: 'standard_logging',
    type: 'boolean',
    default: true,
    becomes: ['log.level'],
    text: '`error`.',
  },
  { flag: 'standard-logging-format', key: 'standard_logging_format', type: 'text', becomes: 'dropped', text: FORMAT },
  {
    flag: 'errors-to-info-log',
    key: 'errors_to_info_log',
    type: 'boolean',
    becomes: 'builtIn',
    text: 'All logs go to standard output.',
  },
  {
    flag: 'exclude-logging-path',
    key: 'exclude_logging_paths',
    type: 'list',
    becomes: 'dropped',
    text: 'No path is left out. `log.access: errors` leaves out requests that are answered well.',
  },
  {
    flag: 'silence-ping-logging',
    key: 'silence_ping_logging',
    type: 'boolean',
    becomes: 'builtIn',
    text: 'Requests to the admin listener are not in the access log.',
  },
  {
    flag: 'request-id-header',
    key: 'request_id_header',
    type: 'text',
    default: 'X-Request-Id',
    becomes: 'dropped',
    text: 'The gateway makes the id of a request, and sends it as `X-Request-Id`.',
  },
  {
    flag: 'logging-filename',
    key: 'logging_filename',
    type: 'text',
    becomes: 'dropped',
    text: `${ROTATION} The audit stream can have a file: \`log.auditFile\`.`,
  },
  {
    flag: 'logging-max-size',
    key: 'logging_max_size',
    type: 'number',
    default: 100,
    becomes: 'dropped',
    text: ROTATION,
  },
  { flag: 'logging-max-age', key: 'logging_max_age', type: 'number', default: 7, becomes: 'dropped', text: ROTATION },
  { flag: 'logging-max-backups', key: 'logging_max_backups', type: 'number', becomes: 'dropped', text: ROTATION },
  { flag: 'logging-compress', key: 'logging_compress', type: 'boolean', becomes: 'dropped', text: ROTATION },
  {
    flag: 'logging-local-time',
    key: 'logging_local_time',
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    text: 'Times are in UTC.',
  },
] as const satisfies readonly OptionRow[];

const TEMPLATES = 'The pages have your name, logo and colours (`pages`), and no templates.';

/** About the pages that people see. */
export const PAGE_ROWS = [
  {
    flag: 'custom-sign-in-logo',
    key: 'custom_sign_in_logo',
    type: 'text',
    becomes: ['pages.logoFile'],
    text: 'A file that is SVG or PNG. Pages load nothing from elsewhere, so a URL is not carried over; `-` needs nothing.',
  },
  {
    flag: 'custom-templates-dir',
    key: 'custom_templates_dir',
    type: 'text',
    becomes: 'dropped',
    text: TEMPLATES,
  },
  {
    flag: 'banner',
    key: 'banner',
    type: 'text',
    becomes: ['login.title'],
    text: 'The heading of the login page, if it is plain text; `-` needs nothing.',
  },
  { flag: 'footer', key: 'footer', type: 'text', becomes: 'dropped', text: TEMPLATES },
  {
    flag: 'show-debug-on-error',
    key: 'show_debug_on_error',
    type: 'boolean',
    becomes: 'dropped',
    text: 'A page says what happened and the id of the request. The log has the rest.',
  },
] as const satisfies readonly OptionRow[];

/** About the program itself; they are given on the command line only. */
export const PROGRAM_ROWS = [
  {
    flag: 'config',
    key: 'config',
    type: 'text',
    becomes: 'builtIn',
    text: '`sallyport start --config`. Give the file to the import as well.',
  },
  {
    flag: 'alpha-config',
    key: 'alpha_config',
    type: 'text',
    becomes: 'builtIn',
    text: 'Give the file to the import as well.',
  },
  {
    flag: 'convert-config-to-alpha',
    key: 'convert_config_to_alpha',
    type: 'boolean',
    becomes: 'builtIn',
    text: 'There is one format.',
  },
  {
    flag: 'config-test',
    key: 'config_test',
    type: 'boolean',
    becomes: 'builtIn',
    text: '`sallyport validate`, and `sallyport check oidc` for the provider.',
  },
  {
    flag: 'version',
    key: 'version',
    type: 'boolean',
    becomes: 'builtIn',
    text: '`sallyport version`.',
  },
] as const satisfies readonly OptionRow[];
