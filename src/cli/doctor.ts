/** `sallyport doctor`: looks at a gateway that misbehaves, from beside it. */

import { resolve } from 'node:path';
import { ADMIN_OPTIONS, TOKEN_FILE_OPTION } from './admin-client.ts';
import { defineCommand, EXIT } from './command.ts';
import { JSON_OPTION } from './configuration.ts';
import { show } from './output.ts';

/** `sallyport doctor`. */
export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Say what is wrong with a gateway, why it matters, and what to do',
  description: [
    'Run it beside the gateway, with the same configuration. It looks at the configuration and its files, asks the admin listener, opens the store as a gateway would at its start, and asks issuers and identity providers for their time. It changes nothing; the store sees what it sees at each start of a gateway.',
    'Where the gateway does not answer, it says so and looks at the rest. The bundle has the findings, the configuration without its secrets, metrics, and recent requests without addresses, paths and subjects: look through it before you pass it on.',
  ],
  options: {
    ...ADMIN_OPTIONS,
    'token-file': TOKEN_FILE_OPTION,
    bundle: { type: 'string', value: 'FILE', description: 'Write an archive (.tar.gz) for those who help.' },
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport doctor', 'The gateway of sallyport.yaml'],
    ['kubectl exec deploy/sallyport -- sallyport doctor', 'In a cluster'],
    ['sallyport doctor --bundle support.tar.gz', 'With an archive for a bug report'],
  ],
  exit: { ok: 'nothing is wrong, or warnings at most', failed: 'something fails' },
  async run({ options, io }) {
    const { observe } = await import('./doctor/observe.ts');
    const { examine } = await import('./doctor/examine.ts');
    const { doctorText } = await import('./doctor/text.ts');
    const seen = await observe(options, io);
    const findings = await examine(seen, io.clocks);
    const isWell = findings.every(({ verdict }) => verdict !== 'failure');
    if (options.bundle !== undefined) {
      const { writeBundle } = await import('./doctor/bundle.ts');
      await writeBundle(resolve(io.cwd, options.bundle), seen, findings);
      io.stderr.write(`${options.bundle} written: look through it before you pass it on\n`);
    }
    show(io, options.json, { well: isWell, findings }, doctorText(findings));
    return isWell ? EXIT.ok : EXIT.failed;
  },
});
