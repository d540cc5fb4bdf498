/** Reads the files of the outbound side. Credentials are only checked: they are read again for each request for a token. */

import { type FileReader, readCa } from '../config/files/named-files.ts';
import { readCredential } from './client-credential.ts';
import type { OutboundConfig } from './section.ts';

/** @returns the CA of the authorization server of each destination, PEM; `null` for those of the system */
export function readOutbound(
  { destinations }: OutboundConfig,
  reader: FileReader,
): Promise<readonly (string | null)[]> {
  return Promise.all(
    destinations.map(async ({ token }, index) => {
      const kind = token.clientCredentials === undefined ? 'exchange' : 'clientCredentials';
      const server = token[kind];
      if (server === undefined) return null;
      const at = ['outbound', 'destinations', index, 'token', kind];
      const credential = CREDENTIAL_FILES.find((file) => server[file] !== undefined) ?? 'clientSecretFile';
      const { wallMs } = reader.clocks;
      await reader.read([...at, credential], server[credential], () => readCredential(server, wallMs), null);
      return reader.read([...at, 'caFile'], server.caFile, readCa, null);
    }),
  );
}

const CREDENTIAL_FILES = ['clientSecretFile', 'privateKeyFile', 'assertionFile'] as const;
