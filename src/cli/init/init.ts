import { resolve } from 'node:path';
import { defineCommand, EXIT } from '../command.ts';

/** `sallyport init`. */
export const init = defineCommand({
  name: 'init',
  summary: 'Write a working configuration, with a user, a signing key and an admin token',
  description: [
    'Asks where the application listens, which address browsers use, who logs in first, and where to keep sessions. Each option answers one question; without a terminal, the other answers are the defaults. Overwrites nothing.',
    "Asks for the user's password twice, or takes the first line of standard input. An empty one is replaced by a generated password, which is shown once.",
    'Finally prints the commands that start the gateway and try it.',
  ],
  args: [{ name: 'DIRECTORY', description: 'Where the files go. Default: the current directory.', isOptional: true }],
  options: {
    upstream: {
      type: 'string',
      value: 'ORIGIN',
      description: 'Where the application listens; a port alone means this machine.',
      default: 'http://127.0.0.1:3000',
    },
    origin: {
      type: 'string',
      value: 'ORIGIN',
      description: 'The origin that browsers use.',
      default: 'http://localhost:8080',
    },
    user: { type: 'string', value: 'NAME', description: 'The first user.', default: '$USER, else admin' },
    redis: {
      type: 'string',
      value: 'URL',
      description: 'Keep sessions in this Redis.',
      default: 'in the process: one replica, and a restart logs everybody out',
    },
  },
  examples: [
    ['sallyport init', 'Ask, and write the files here'],
    [
      'sallyport init gateway --upstream http://127.0.0.1:3000 --origin http://localhost:8080 --user alice </dev/null',
      'Ask nothing, and generate a password',
    ],
  ],
  exit: { ok: 'written', failed: 'an answer is not valid, a file already exists, or cannot be written' },
  async run({ options, args, io }) {
    const { askAnswers } = await import('./questions.ts');
    const { writeFiles } = await import('./files.ts');
    const { nextSteps } = await import('./next-steps.ts');
    const directory = resolve(io.cwd, args[0] ?? '.');
    const answers = await askAnswers(options, directory, io);
    await writeFiles(directory, answers, io);
    io.stdout.write(nextSteps(directory, answers, io.cwd));
    return EXIT.ok;
  },
});
