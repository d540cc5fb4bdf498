/** Secrets and digests of 32 bytes, as this program writes them: base64url without padding (RFC 4648 §5), 43 characters. */

/** Matches 32 bytes in base64url and nothing else. Does not check that the unused bits of the last character are zero. */
export const BASE64URL_32_BYTES_PATTERN: RegExp = /^[A-Za-z0-9_-]{43}$/;
