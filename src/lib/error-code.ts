/** Codes of errors. */

/** The code of an error of the system, of OpenSSL or of Node, such as `ENOENT`; `null` for anything else. */
export const errorCode = (thrown: unknown): string | null =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;

/** The code of an error or, where it has none, of the nearest of its causes that has one; `null` where none has. */
export const nearestErrorCode = (thrown: unknown): string | null =>
  errorCode(thrown) ?? (thrown instanceof Error ? nearestErrorCode(thrown.cause) : null);
