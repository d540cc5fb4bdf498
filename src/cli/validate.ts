import { defineCommand, EXIT } from './command.ts';
import { checkConfiguration, checkWithContents, configPath, NO_FILES_OPTION } from './io/configuration.ts';
import { show } from './io/output.ts';

/** `sallyport validate`. */
export const validate = defineCommand({
  name: 'validate',
  summary: 'Check a configuration and report every mistake with its place',
  description: [
    'Reads the file, expands ${VAR} and ${file:…}, and reports every mistake and everything that is probably unintended, such as routes that no request reaches or public routes above protected ones. Like a start, it reads the files that the configuration names: certificates, keys, secrets, users. Opens no connections.',
    'Codes in square brackets are stable and explained in docs/reference/problems.md. To silence a warning, list its code in acceptWarnings.',
  ],
  args: [
    {
      name: 'FILE',
      isOptional: true,
      description: 'Configuration file; - is standard input. Default: $SALLYPORT_CONFIG, else sallyport.yaml.',
    },
  ],
  options: {
    format: {
      type: 'string',
      value: 'FORMAT',
      choices: ['text', 'json', 'github'],
      description: 'text for people, json for programs, github for annotations in GitHub Actions.',
      default: 'text',
    },
    strict: { type: 'boolean', description: 'Treat warnings as errors.' },
    'no-files': NO_FILES_OPTION,
  },
  examples: [
    ['sallyport validate', 'Check sallyport.yaml'],
    [
      'kubectl get configmap gateway -o jsonpath="{.data.sallyport\\.yaml}" | sallyport validate --no-files -',
      'Check the configuration in a cluster',
    ],
    ['sallyport validate --strict --no-files --format github config/sallyport.yaml', 'In a pull request'],
  ],
  exit: { ok: 'valid', failed: 'not valid, or with --strict: warnings' },
  async run({ options, args, io }) {
    const path = args[0] ?? configPath(undefined, io);
    const checked = options['no-files'] ? checkConfiguration(path, io, true) : checkWithContents(path, io);
    const { loaded, problems, source } = await checked;
    const isAccepted = loaded !== null && (!options.strict || problems.length === 0);
    const { countText, renderFrames, renderGithub } = await import('../config/render.ts');
    const verdict = `${path}: ${loaded === null ? 'not valid' : `valid, hash ${loaded.hash}`}, ${countText(problems)}\n`;
    switch (options.format) {
      case 'json':
        show(io, true, { path, valid: loaded !== null, hash: loaded?.hash ?? null, problems }, '');
        break;
      case 'github':
        io.stdout.write(renderGithub({ path, problems }));
        io.stderr.write(verdict);
        break;
      default:
        io.stdout.write(`${renderFrames({ path, problems, source })}${verdict}`);
    }
    return isAccepted ? EXIT.ok : EXIT.failed;
  },
});
