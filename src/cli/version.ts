import { revisionOf, VERSION } from '../version.ts';
import { defineCommand, EXIT } from './command.ts';
import { JSON_OPTION } from './io/configuration.ts';

/** `sallyport version`. */
export const version = defineCommand({
  name: 'version',
  summary: 'Show the version of Sallyport and of Node',
  options: { json: JSON_OPTION },
  examples: [['sallyport version --json', 'For programs']],
  exit: { ok: 'shown', failed: null },
  async run({ options, io }) {
    const platform = `${process.platform}-${process.arch}`;
    const revision = revisionOf(io.env);
    const versions = { version: VERSION, revision, node: process.version, platform };
    io.stdout.write(
      options.json
        ? `${JSON.stringify(versions)}\n`
        : `sallyport ${VERSION} (revision ${revision}, Node ${process.version}, ${platform})\n`,
    );
    return EXIT.ok;
  },
});
