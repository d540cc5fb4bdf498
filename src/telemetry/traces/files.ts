/** Reads the files that the section `traces` names. */

import { type FileReader, readCa } from '../../config/files/named-files.ts';
import { readSecret } from '../../config/files/secret-file.ts';
import { ConfigFault } from '../../errors.ts';
import { trim } from '../../lib/text/trim.ts';
import type { TracesConfig } from './section.ts';

/** What is in the files of the section. */
export interface TraceFiles {
  /** Sent with spans. Never logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM; `null` for the CAs of the system. */
  readonly ca: string | null;
}

/** Of a configuration that names none. */
export const NO_TRACE_FILES: TraceFiles = Object.freeze({ headers: {}, ca: null });

/** Reads them. */
export async function readTraceFiles(
  { headersFile, caFile }: Pick<TracesConfig, 'headersFile' | 'caFile'>,
  reader: FileReader,
): Promise<TraceFiles> {
  const [headers, ca] = await Promise.all([
    reader.read(['traces', 'headersFile'], headersFile, readHeaders, {}),
    reader.read(['traces', 'caFile'], caFile, readCa, null),
  ]);
  return { headers, ca };
}

/** The exporter frames its requests itself. */
const OF_EXPORTER = /^(?:connection|content-length|content-type|content-encoding|host|transfer-encoding|expect)$/i;

/**
 * Reads headers, one `Name: value` per line; empty lines are left out.
 *
 * @throws ConfigFault with the number of a line that is not a header; never with its text, which may be a secret
 */
async function readHeaders(path: string): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [index, line] of (await readSecret(path)).split(/\r?\n/).entries()) {
    if (trim(line) === '') continue;
    const at = line.indexOf(':');
    const name = line.slice(0, Math.max(0, at));
    const value = trim(line.slice(at + 1));
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || !/^[\x21-\x7e](?:[\x20-\x7e]*)$/.test(value))
      throw new ConfigFault(`${path} line ${index + 1} is not a header: write Name: value`);
    if (OF_EXPORTER.test(name))
      throw new ConfigFault(`${path} line ${index + 1} is a header that the gateway controls`);
    headers[name] = value;
  }
  return headers;
}
