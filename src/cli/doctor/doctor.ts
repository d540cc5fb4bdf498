/** `sallyport doctor`: diagnoses a misbehaving gateway, next to which it runs. */

import { resolve } from 'node:path';
import { defineCommand, EXIT } from '../command.ts';
import { ADMIN_API_OPTIONS } from '../io/admin-client.ts';
import { JSON_OPTION } from '../io/configuration.ts';
import { show } from '../io/output.ts';

/** `sallyport doctor`. */
export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Diagnose a gateway: what is wrong, why it matters, and what to do',
  description: [
    'Run it beside the gateway, with the same configuration. It checks the configuration and its files, asks the admin listener, opens the store as a starting gateway would, and compares the clocks of issuers and identity providers. It changes nothing, except that it writes the same short-lived test records to the store as each start of a gateway.',
    'If the gateway does not answer, it says so and checks the rest. The bundle has the findings, the configuration without its secrets, metrics, and recent requests without addresses, paths and subjects: look through it before you share it.',
  ],
  options: {
    ...ADMIN_API_OPTIONS,
    bundle: { type: 'string', value: 'FILE', description: 'Write an archive (.tar.gz) for a bug report.' },
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport doctor', 'The gateway of sallyport.yaml'],
    ['kubectl exec deploy/sallyport -- sallyport doctor', 'In a cluster'],
    ['sallyport doctor --bundle support.tar.gz', 'With an archive for a bug report'],
  ],
  exit: { ok: 'nothing fails; there may be warnings', failed: 'something fails' },
  async run({ options, io }) {
    const { observe } = await import('./observe.ts');
    const { examine } = await import('./examine.ts');
    const { doctorText } = await import('./text.ts');
    const seen = await observe(options, io);
    const findings = await examine(seen, io.clocks);
    const isWell = findings.every(({ verdict }) => verdict !== 'failure');
    if (options.bundle !== undefined) {
      const { writeBundle } = await import('./bundle.ts');
      await writeBundle(resolve(io.cwd, options.bundle), seen, findings);
      io.stderr.write(`${options.bundle} written: look through it before you share it\n`);
    }
    show(io, options.json, { well: isWell, findings }, doctorText(findings));
    return isWell ? EXIT.ok : EXIT.failed;
  },
});
