import { defineCommand, EXIT } from './command.ts';

/** `sallyport schema`. */
export const schema = defineCommand({
  name: 'schema',
  summary: 'Write the JSON Schema of the configuration, for editors',
  description: [
    'JSON Schema draft-07. With "# yaml-language-server: $schema=./sallyport.schema.json" as its first line, a configuration is completed and checked by editors that know the YAML language server.',
  ],
  options: {},
  examples: [['sallyport schema > sallyport.schema.json', 'Beside the configuration']],
  exit: { ok: 'written', failed: null },
  async run({ io }) {
    const { jsonSchema } = await import('../gateway/configuration/load.ts');
    io.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return EXIT.ok;
  },
});
