/**
 * Names that have a meaning as headers and must not be sent as trailers, because a recipient that merges trailers into headers would
 * trust them: framing, routing, credentials, conditions, control of the answer and its content (RFC 9110 §6.5.1).
 */
const FORBIDDEN: ReadonlySet<string> = new Set([
  ...['connection', 'content-length', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings'],
  ...['host', 'max-forwards', 'expect', 'range', 'forwarded', 'via', 'origin', 'referer'],
  ...['authorization', 'cookie', 'set-cookie', 'www-authenticate', 'proxy-authenticate', 'proxy-authorization'],
  ...['cache-control', 'pragma', 'age', 'date', 'expires', 'location', 'retry-after', 'vary', 'warning', 'link'],
  ...['content-encoding', 'content-type', 'content-range', 'content-disposition', 'content-location', 'refresh'],
  ...['strict-transport-security', 'content-security-policy', 'clear-site-data', 'alt-svc', 'x-request-id'],
  ...['grpc-timeout', 'grpc-encoding', 'grpc-accept-encoding'],
]);

const FORBIDDEN_PREFIXES = ['if-', 'access-control-', 'proxy-', 'sec-', 'x-forwarded-'];

/**
 * Whether a trailer of this name may be passed on.
 *
 * @param name  lower case
 */
export const mayBeTrailer = (name: string): boolean =>
  !FORBIDDEN.has(name) && !FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix));
