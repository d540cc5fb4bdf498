/** users: `sallyport users add|list|remove` edits the users file of the password form from a shell. */

import { resolve } from 'node:path';
import { ConfigFault } from '../../errors.ts';
import { type CliIo, defineCommand, EXIT, type OptionValues, UsageFault } from '../command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION, loadConfiguration } from '../io/configuration.ts';
import { formatTable, show } from '../io/output.ts';
import { readNewPassword } from '../io/password-input.ts';
import { addUser, openUsers, usersOf, writeUsers } from './users-file.ts';

const FILE_OPTIONS = {
  config: { ...CONFIG_OPTION, description: 'Configuration with login.password.usersFile.' },
  file: {
    type: 'string',
    value: 'FILE',
    description: 'The users file, instead of a configuration. "users add" creates it.',
  },
} as const;

/** The users file, by option or configuration. */
async function usersPath(options: OptionValues<typeof FILE_OPTIONS>, io: CliIo): Promise<string> {
  if (options.file !== undefined) return resolve(io.cwd, options.file);
  const path = configPath(options.config, io);
  const { loaded } = await loadConfiguration(path, io, true);
  const { password } = loaded.config.login;
  if (password !== undefined) return password.usersFile;
  throw new ConfigFault(`${path}: login.password.usersFile is not set: give --file`);
}

/** The users of a file, and which of them has a name. */
async function findUser(path: string, written: string, mayBeMissing: boolean) {
  const { accountName } = await import('../../endpoints/login/password/users-file.ts');
  const document = await openUsers(path, mayBeMissing);
  const name = accountName(written);
  return { document, name, index: usersOf(document).findIndex((user) => accountName(user.name) === name) };
}

/** `sallyport users add`. */
export const usersAdd = defineCommand({
  name: 'users add',
  summary: 'Add a user who can log in with a password, or set a new password',
  description: [
    'Prompts for the password twice, or reads it as one line from standard input; never from the command line, which other users of the machine can see. It is stored as an Argon2id hash of 64 MiB, 3 passes and 1 lane: the second choice of RFC 9106 §4, above the OWASP minimum (19 MiB, 2 passes), and about 150 ms on one core.',
    'A running gateway reads the file again before the next login.',
  ],
  args: [{ name: 'NAME', description: 'What the user types.' }],
  options: {
    ...FILE_OPTIONS,
    role: { type: 'string', value: 'ROLE', multiple: true, description: 'A role of the user.' },
    email: { type: 'string', value: 'ADDRESS', description: 'Attribute email.' },
    'display-name': { type: 'string', value: 'TEXT', description: 'Attribute displayName.' },
    subject: { type: 'string', value: 'SUBJECT', description: '`sub` of the user.', default: 'the name' },
    attribute: { type: 'string', value: 'KEY=VALUE', multiple: true, description: 'Another attribute.' },
    replace: {
      type: 'boolean',
      description: 'Change an existing user: set a new password and any attributes given.',
    },
  },
  examples: [
    ['sallyport users add alice --role customer --email alice@example.com', 'Add to the users file of sallyport.yaml'],
    ['pwgen -s 20 1 | tee /dev/stderr | sallyport users add bob --file users.yaml', 'Take the password from a program'],
  ],
  exit: { ok: 'added', failed: 'the user already exists, or the file cannot be read or written' },
  async run({ options, args, io }) {
    const path = await usersPath(options, io);
    const { document, name, index } = await findUser(path, args[0] ?? '', true);
    const { hashPassword } = await import('../../endpoints/login/password/hash.ts');
    if (index !== -1 && !options.replace)
      throw new ConfigFault(`${path}: ${JSON.stringify(name)} already exists: --replace sets a new password`);
    if (index === -1 && options.replace) throw new ConfigFault(`${path}: there is no user ${JSON.stringify(name)}`);

    const attributes = options.attribute.map(readAttribute);
    const given = {
      passwordHash: await hashPassword(await readNewPassword(io)),
      ...(options.subject !== undefined && { subject: options.subject }),
      ...(options.email !== undefined && { email: options.email }),
      ...(options['display-name'] !== undefined && { displayName: options['display-name'] }),
      ...(options.role.length > 0 && { roles: options.role }),
      ...(attributes.length > 0 && { attributes: Object.fromEntries(attributes) }),
    };
    if (index === -1) addUser(document, { name, ...given });
    else
      for (const [key, value] of Object.entries(given))
        document.setIn(['users', index, key], document.createNode(value));
    await writeUsers(path, document);
    io.stdout.write(`${JSON.stringify(name)} ${index === -1 ? 'added to' : 'changed in'} ${path}\n`);
    return EXIT.ok;
  },
});

/** `sallyport users list`. */
export const usersList = defineCommand({
  name: 'users list',
  summary: 'List the users who can log in with a password',
  options: { ...FILE_OPTIONS, json: JSON_OPTION },
  examples: [['sallyport users list', 'Users of sallyport.yaml']],
  exit: { ok: 'listed', failed: 'the file cannot be read' },
  async run({ options, io }) {
    const users = usersOf(await openUsers(await usersPath(options, io), false)).map(
      ({ name, subject = name, email = null, displayName = null, roles = [] }) => ({
        name,
        subject,
        email,
        displayName,
        roles,
      }),
    );
    const table = formatTable(users, {
      NAME: ({ name }) => name,
      SUBJECT: ({ subject }) => subject,
      EMAIL: ({ email }) => email ?? '-',
      ROLES: ({ roles }) => roles.join(', ') || '-',
    });
    show(io, options.json, users, table);
    return EXIT.ok;
  },
});

/** `sallyport users remove`. */
export const usersRemove = defineCommand({
  name: 'users remove',
  summary: 'Remove a user who can log in with a password',
  description: ['Sessions of the user stay open: end them with "sallyport sessions revoke --subject SUBJECT".'],
  args: [{ name: 'NAME', description: 'What the user types.' }],
  options: FILE_OPTIONS,
  examples: [['sallyport users remove alice', 'From the users file of sallyport.yaml']],
  exit: { ok: 'removed', failed: 'no such user, or the file cannot be read or written' },
  async run({ options, args, io }) {
    const path = await usersPath(options, io);
    const { document, name, index } = await findUser(path, args[0] ?? '', false);
    if (index === -1) throw new ConfigFault(`${path}: there is no user ${JSON.stringify(name)}`);
    document.deleteIn(['users', index]);
    await writeUsers(path, document);
    io.stdout.write(`${JSON.stringify(name)} removed from ${path}\n`);
    return EXIT.ok;
  },
});

function readAttribute(written: string): readonly [string, string] {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(written) ?? [];
  if (key === undefined || value === undefined) throw new UsageFault('--attribute is written KEY=VALUE');
  return [key, value];
}
