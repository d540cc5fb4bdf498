import { describe, expect, test } from 'vitest';
import { COMMAND_GROUPS, COMMANDS } from '../../src/cli/commands.ts';
import { programHelp } from '../../src/cli/help.ts';
import { Program } from './program.ts';
import { cli } from './support.ts';

test('without a command, the help goes to standard error, and the exit code is 2', async () => {
  expect(await cli([])).toEqual({ code: 2, out: '', err: programHelp(COMMAND_GROUPS) });
});

test.each([['--help'], ['-h'], ['help']])('%s lists every command', async (flag) => {
  const { code, out } = await cli([flag]);
  expect(code).toBe(0);
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  for (const { name, summary } of COMMANDS) expect(out).toContain(`${name.padEnd(width)}  ${summary}`);
});

describe.each(COMMANDS.map((command) => [command.name, command] as const))('%s', (name, command) => {
  test('--help shows usage, every option, an example and the exit codes, and runs nothing', async () => {
    const { code, out, err } = await cli([...name.split(' '), '--help']);
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toContain(`Usage: sallyport ${name}`);
    for (const option of Object.keys(command.options)) expect(out).toContain(`--${option}`);
    for (const [example] of command.examples) expect(out).toContain(example);
    expect(out).toMatch(
      /\n\nExit codes:\n {2}0 {2}.+\n(?: {2}1 {2}.+\n(?: {5}.+\n)*)? {2}2 {2}the command line is wrong\n$/,
    );
    expect(
      Math.max(
        ...out
          .split('\n')
          .filter((line) => !/^ {2}\S/.test(line))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100);
  });

  test('"help" shows the same text', async () => {
    expect((await cli(['help', ...name.split(' ')])).out).toBe((await cli([...name.split(' '), '-h'])).out);
  });

  test('an unknown option is refused with a suggestion', async () => {
    const { code, err, out } = await cli([...name.split(' '), '--hepl']);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toBe(`sallyport: unknown option --hepl: did you mean --help?\nSee sallyport ${name} --help\n`);
  });
});

test.each(['users', 'sessions', 'keys', 'token'])('%s --help lists the commands of the group', async (group) => {
  const family = COMMANDS.filter(({ name }) => name.startsWith(`${group} `));
  expect(family.length).toBeGreaterThan(1);
  for (const argv of [
    [group, '--help'],
    [group, '-h'],
    ['help', group],
  ]) {
    const { code, out, err } = await cli(argv);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`Usage: sallyport ${group} COMMAND`);
    for (const { name, summary } of family) expect(out).toMatch(new RegExp(`^  ${name} +${summary}$`, 'm'));
    for (const { name } of COMMANDS) if (!name.startsWith(`${group} `)) expect(out).not.toContain(`  ${name} `);
  }
});

test.each([
  ['an unknown command', ['valdate'], 'unknown command "valdate": did you mean validate?', null],
  ['an incomplete command', ['keys'], 'keys is a group of commands: keys generate, keys rotate, keys list', null],
  [
    'an unknown subcommand',
    ['keys', 'rotat'],
    'keys is a group of commands: keys generate, keys rotate, keys list: did you mean keys rotate?',
    null,
  ],
  ['an unexpected value', ['routes', '--json=yes'], '--json takes no value', 'routes'],
  ['an option without its value', ['routes', '--config'], '--config needs a value: FILE', 'routes'],
  ['an option in place of a value', ['routes', '--config', '--json'], '--config needs a value: FILE', 'routes'],
  [
    'an unknown choice',
    ['validate', '--format', 'jsn'],
    '--format must be one of text, json, github: did you mean json?',
    'validate',
  ],
  ['a repeated option', ['routes', '-c', 'a', '-c', 'b'], '--config is given more than once', 'routes'],
  ['a missing argument', ['explain', 'GET'], 'URL is missing', 'explain'],
  ['an extra argument', ['routes', 'x'], '"x" is one argument too many', 'routes'],
  ['a missing option', ['token', 'verify'], '--jwks is missing; or give --config instead', 'token verify'],
])('%s is an invalid command line', async (_title, argv, message, command) => {
  const { code, out, err } = await cli(argv);
  expect(code).toBe(2);
  expect(out).toBe('');
  expect(err).toBe(`sallyport: ${message}\nSee sallyport ${command === null ? '' : `${command} `}--help\n`);
});

test('a missing configuration is reported in one clear line, with exit code 1 and without a stack', async () => {
  expect(await cli(['routes', '-c', 'nowhere.yaml'])).toEqual({
    code: 1,
    out: '',
    err: 'nowhere.yaml: there is no such file\n',
  });
});

test('SALLYPORT_CONFIG names the configuration unless --config does', async () => {
  const env = { SALLYPORT_CONFIG: 'elsewhere.yaml' };
  expect((await cli(['routes'], { env })).err).toBe('elsewhere.yaml: there is no such file\n');
  expect((await cli(['routes', '-c', 'here.yaml'], { env })).err).toBe('here.yaml: there is no such file\n');
  expect((await cli(['routes'])).err).toBe(
    'sallyport.yaml: there is no such file (`sallyport init` writes one, --config names another)\n',
  );
});

test('the program prints the version of package.json', async () => {
  const program = new Program(['version', '--json']);
  expect(await program.ended).toBe(0);
  expect(JSON.parse(program.out)).toMatchObject({ version: '0.1.0', node: process.version });
});

test('the program exits with 2 for an invalid command line', async () => {
  const program = new Program(['strat']);
  expect(await program.ended).toBe(2);
  expect(program.err).toContain('did you mean start?');
});
