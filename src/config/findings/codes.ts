/**
 * Codes of the findings that `config/` itself reports, whatever the key is for: about the text, about keys and values, and
 * about the files that keys name.
 */

import { defineCodes, error, warning } from './problem.ts';

/** Codes of the findings about the text, its keys and values, and the files that it names. */
export const codes = defineCodes({
  'yaml/syntax': error('The text is not valid YAML 1.2. Nothing else is checked until it is.'),
  'yaml/duplicate-key': error('A key appears twice in one map. YAML parsers differ in which one they use.'),
  'yaml/tag': error('A tag (`!…`) or a `%YAML` directive. Only the types of the YAML 1.2 core schema are accepted.'),
  'yaml/alias': error(
    'An alias (`*name`) without an anchor before it, an anchor inside another anchor, or more than 200 aliases.',
  ),
  'yaml/merge-key': error('`<<` is not part of YAML 1.2. Write the keys out.'),
  'yaml/number': error(
    'A number that is not plain decimal (`0x1F`, `0o17`, `017`, `1e3`). YAML parsers disagree about its value.',
  ),
  'config/too-large': error('The file is larger than 8 MiB.'),
  'config/variable': error(
    'A `${…}` that cannot be expanded: the variable is not set, the file cannot be read, or the text is not a reference.',
  ),
  'config/unknown-key': error('A key that does not exist here.'),
  'config/missing-key': error('A required key is missing.'),
  'config/invalid-value': error('A value that the key does not accept.'),
  'config/file': error(
    'A file or directory that the configuration names is missing, cannot be read, or has unusable contents.',
  ),
  'config/renamed-key': warning(
    'A key under a former name. It works as before, for the time that docs/versioning.md states. `sallyport migrate` rewrites it.',
  ),
  'config/renamed-value': warning(
    'A former spelling of a value. It works as before, for the time that docs/versioning.md states. `sallyport migrate` rewrites it, unless it comes from a reference.',
  ),
  'config/both-names': error('A key is there under its present and under a former name.'),
  'config/unused': warning('An upstream or an issuer that nothing refers to.'),
  'config/secret-in-file': warning(
    'The configuration contains a password. Use `${VAR}`, `${file:/path}` or a key that ends in File.',
  ),
  'origin/insecure': error(
    'A public origin with plain http on a host other than this machine. Browsers never send session cookies there, and anyone on the network path could read the traffic.',
  ),
  'tls/pair': error('A client certificate without its key, or a key without its certificate.'),
  'files/shared-secret': error('One file is used for two different secrets, so a leak of one is a leak of both.'),
  'files/world-readable': warning('Every user of the machine can read a file with a secret.'),
});
