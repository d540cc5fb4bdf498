/** The rule of every section with a client certificate: certificate and key go together. */

import { codes } from '../findings/codes.ts';
import type { KeyPath } from '../findings/problem.ts';
import type { ConfigSource } from '../text/source.ts';

/** Reports a client certificate without its key, or a key without its certificate. */
export function lintPair(
  tls: { readonly certFile?: string | undefined; readonly keyFile?: string | undefined } | undefined,
  path: KeyPath,
  source: ConfigSource,
): void {
  if (tls === undefined || (tls.certFile === undefined) === (tls.keyFile === undefined)) return;
  const [present, missing] = tls.certFile === undefined ? ['keyFile', 'certFile'] : ['certFile', 'keyFile'];
  source.report(codes['tls/pair'], [...path, present], `${present} needs ${missing} beside it`, null, 'key');
}
