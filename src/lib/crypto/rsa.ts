/** What an RSA key must have at least, wherever one is read. */

/** Shortest modulus, to sign or to verify with (RFC 7518 §3.3). */
export const MIN_RSA_BITS = 2_048;
