import type { DestinationConfig, OutboundConfig } from '../outbound/section.ts';
import { defineCommand, EXIT } from './command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION, loadConfiguration, NO_FILES_OPTION } from './io/configuration.ts';
import { formatTable, show } from './io/output.ts';

/** `sallyport routes`. */
export const routes = defineCommand({
  name: 'routes',
  summary: 'List the routes in the order in which they are tried',
  description: [
    'The most specific pattern wins, whatever the order in the file; where two have the same pattern, the one that lists its methods goes first. A pattern that ends in /… also matches every path below it.',
    'After the routes come the destinations of the outbound side, each with the token that the gateway adds to calls.',
  ],
  options: { config: CONFIG_OPTION, 'no-files': NO_FILES_OPTION, json: JSON_OPTION },
  examples: [['sallyport routes', 'Routes of sallyport.yaml']],
  exit: { ok: 'listed', failed: 'the configuration is not valid' },
  async run({ options, io }) {
    const { loaded } = await loadConfiguration(configPath(options.config, io), io, options['no-files']);
    const { compileRoutes } = await import('../routing/route.ts');
    const { compileCredential } = await import('../authentication/credential.ts');
    const { describeRoute } = await import('../gateway/configuration/describe.ts');
    const { config } = loaded;
    const rows = compileRoutes(config, compileCredential).entries.map((entry) =>
      describeRoute(entry, config.routes[entry.route.index] ?? {}),
    );
    const destinations = await destinationRows(config);
    const table = <C extends string>(names: readonly C[], lines: readonly Readonly<Record<C, string>>[]) =>
      formatTable<Readonly<Record<C, string>>>(
        lines,
        Object.fromEntries(names.map((column) => [column.toUpperCase(), (line) => line[column]])),
      );
    const tables = [table(['pattern', 'methods', 'credential', 'allow', 'upstream', 'audience', 'id'], rows)];
    if (destinations.length > 0)
      tables.push(table(['pattern', 'methods', 'token', 'upstream', 'audience', 'id'], destinations));
    show(io, options.json, [...rows, ...destinations], tables.join('\n'));
    return EXIT.ok;
  },
});

/** What the workload can call, in the order in which it is tried. */
async function destinationRows({ outbound }: { readonly outbound?: OutboundConfig | undefined }) {
  if (outbound === undefined) return [];
  const { compileDestinations } = await import('../outbound/destination.ts');
  const { describeDestination } = await import('../gateway/configuration/describe.ts');
  return compileDestinations(outbound.destinations, 0).table.entries.map((entry) =>
    describeDestination(entry, outbound.destinations[entry.route.index] as DestinationConfig),
  );
}
