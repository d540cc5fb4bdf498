/** Codes of errors. */

/** The code of an error of the system, of OpenSSL or of Node, such as `ENOENT`; `null` for anything else. */
export const errorCode = (thrown: unknown): string | null =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;
