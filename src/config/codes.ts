/**
 * Codes of the findings that the mechanism itself makes: about the text, about keys and values whatever they are for, and
 * about the files that keys name.
 */

import { defineCodes, error, warning } from './problem.ts';

/** Codes of the findings about the text, its keys and values, and the files that it names. */
export const codes = defineCodes({
  'yaml/syntax': error('The text is not YAML 1.2. Nothing else is looked at until it is.'),
  'yaml/duplicate-key': error('A key stands twice in one map. Readers of YAML differ in which one counts.'),
  'yaml/tag': error(
    'A tag (`!…`) or a `%YAML` directive. Values have the types of the YAML 1.2 core schema and no others.',
  ),
  'yaml/alias': error(
    'An alias (`*name`) without its anchor, an anchor inside another one, or more aliases than are accepted.',
  ),
  'yaml/merge-key': error('`<<` is no part of YAML 1.2. Write the keys out.'),
  'yaml/number': error(
    'A number in another form than plain decimal (`0x1F`, `0o17`, `017`, `1e3`), which readers of YAML take differently.',
  ),
  'config/too-large': error('The file is larger than 8 MiB.'),
  'config/variable': error(
    'A `${…}` that cannot be expanded: the variable is not set, the file cannot be read, or it is not a reference.',
  ),
  'config/unknown-key': error('A key that does not exist at this place.'),
  'config/missing-key': error('A key that has to be there is not.'),
  'config/invalid-value': error('A value that the key does not accept.'),
  'config/file': error(
    'A file or directory that the configuration names is missing, cannot be read, or has something in it that cannot be used.',
  ),
  'config/unused': warning('An upstream or an issuer that nothing names.'),
  'config/secret-in-file': warning(
    'A password stands in the configuration itself. Use `${VAR}`, `${file:/path}` or a key that ends in File.',
  ),
  'origin/insecure': error(
    'A public origin with plain http on a host that is not this machine: session cookies are never sent there, and everything could be read on the way.',
  ),
  'tls/pair': error('A client certificate without its key, or a key without its certificate.'),
  'files/shared-secret': error('One file in two secret roles: who holds one secret would hold the other.'),
  'files/world-readable': warning('A file with a secret can be read by every user of the machine.'),
});
