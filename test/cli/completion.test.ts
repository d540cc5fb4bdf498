import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { findProgram } from '../support/programs.ts';
import { cli, temporaryDirectory, temporaryFile } from './support.ts';

const [FISH, ZSH] = [findProgram(['fish']), findProgram(['zsh'])];

/** What is typed, and all words that are offered for the last one. */
const TYPED: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ['sallyport k', ['keys']],
  ['sallyport keys ', ['generate', 'list', 'rotate']],
  ['sallyport keys generate --al', ['--algorithm']],
  ['sallyport keys generate --algorithm ', ['ES256', 'EdDSA', 'PS256', 'RS256']],
  ['sallyport validate --format j', ['json']],
  ['sallyport routes --j', ['--json']],
];

const script = async (shell: string) => temporaryFile(`sallyport.${shell}`, (await cli(['completion', shell])).out);
const words = (text: string) =>
  text
    .split('\n')
    .map((line) => line.split('\t')[0] ?? '')
    .filter((word) => word !== '' && word !== '--help')
    .toSorted();

test('bash completes commands, options and their values', async () => {
  const file = await script('bash');
  for (const [typed, offered] of TYPED) {
    const reply = `COMP_WORDS=(${typed.replace(/ $/, ' ""')}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _sallyport; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync('bash', ['-c', `source "$1"; ${reply}`, 'bash', file], { encoding: 'utf8' });
    expect([typed, words(out)]).toEqual([typed, offered]);
  }
});

test.skipIf(FISH === null)('fish completes commands, options and their values', async () => {
  const file = await script('fish');
  const env = { ...process.env, HOME: temporaryDirectory() };
  const asked = TYPED.map(([typed]) => `complete -C '${typed}'; echo ---`).join('; ');
  const out = execFileSync(FISH as string, ['-c', `source ${file}; ${asked}`], { encoding: 'utf8', env });
  const replies = out.split('---\n').slice(0, -1).map(words);
  expect(replies).toEqual(TYPED.map(([, offered]) => offered));
});

test.skipIf(ZSH === null)('zsh uses the completions of bash', async () => {
  const dump = join(temporaryDirectory(), 'dump');
  const line = `autoload -U compinit; compinit -u -d ${dump}; source ${await script('zsh')}; print -r -- $_comps[sallyport]`;
  expect(execFileSync(ZSH as string, ['-f', '-c', line], { encoding: 'utf8' })).toContain('_sallyport');
});

describe('the script', () => {
  test.each(['bash', 'zsh', 'fish'])('for %s has every command and every option', async (shell) => {
    const { out, code } = await cli(['completion', shell]);
    expect(code).toBe(0);
    const spelt = (name: string) => (shell === 'fish' ? `-l ${name}` : `--${name}`);
    for (const { name, options } of COMMANDS) {
      const [line = ''] = out.split('\n').filter((text) => text.includes(name));
      expect(line, name).not.toBe('');
      for (const option of Object.keys(options)) expect(out, `${name} ${option}`).toContain(spelt(option));
    }
  });

  test('for an unknown shell is refused with a suggestion', async () => {
    expect(await cli(['completion', 'fisch'])).toMatchObject({ code: 2, err: expect.stringContaining('fish') });
  });
});
