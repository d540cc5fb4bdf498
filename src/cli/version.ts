import { VERSION } from '../version.ts';
import { defineCommand, EXIT } from './command.ts';
import { JSON_OPTION } from './configuration.ts';

/** `sallyport version`. */
export const version = defineCommand({
  name: 'version',
  summary: 'Show the version of Sallyport and of Node',
  options: { json: JSON_OPTION },
  examples: [['sallyport version --json', 'For programs']],
  exit: { ok: 'shown', failed: 'never' },
  async run({ options, io }) {
    const versions = { version: VERSION, node: process.version, platform: `${process.platform}-${process.arch}` };
    io.stdout.write(
      options.json
        ? `${JSON.stringify(versions)}\n`
        : `sallyport ${versions.version} (Node ${versions.node}, ${versions.platform})\n`,
    );
    return EXIT.ok;
  },
});
