import { resolve } from 'node:path';
import { defineCommand, EXIT } from './command.ts';

/** `sallyport init`. */
export const init = defineCommand({
  name: 'init',
  summary: 'Write a configuration that works, with a user, a signing key and an admin token',
  description: [
    'Asks where the application is, what browsers will see, who logs in first, and where sessions are kept. An option answers its question beforehand; what is not asked, because there is no terminal, has its default. Overwrites nothing.',
    'The password of the user is asked for twice, or is the first line of standard input. Without one, a password is generated and shown once.',
    'Ends with the commands that start the gateway and prove that it works.',
  ],
  args: [{ name: 'DIRECTORY', description: 'Where the files go. Default: here.', isOptional: true }],
  options: {
    upstream: {
      type: 'string',
      value: 'ORIGIN',
      description: 'Where the application listens.',
      default: 'http://127.0.0.1:3000',
    },
    origin: { type: 'string', value: 'ORIGIN', description: 'What browsers see.', default: 'http://localhost:8080' },
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
  exit: { ok: 'written', failed: 'an answer cannot be used, a file exists already, or one cannot be written' },
  async run({ options, args, io }) {
    const { askAnswers } = await import('./init/questions.ts');
    const { writeFiles } = await import('./init/files.ts');
    const { nextSteps } = await import('./init/next-steps.ts');
    const directory = resolve(io.cwd, args[0] ?? '.');
    const answers = await askAnswers(options, directory, io);
    await writeFiles(directory, answers, io);
    io.stdout.write(nextSteps(directory, answers, io.cwd));
    return EXIT.ok;
  },
});
