import { didYouMean } from '../lib/text/nearest.ts';
import { type Command, defineCommand, EXIT, type OptionSpec, UsageFault } from './command.ts';
import { allOptions } from './parse.ts';

/** The scripts, by shell. */
const SCRIPTS: Readonly<Record<string, (commands: readonly Command[]) => string>> = {
  bash: bashScript,
  // zsh runs completions that were written for bash.
  zsh: (commands) => `autoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`,
  fish: fishScript,
};

/** `sallyport completion`, for a list of commands of which it is one. */
export const completion = (commands: () => readonly Command[]): Command =>
  defineCommand({
    name: 'completion',
    summary: 'Write a completion script for a shell',
    description: ['Completes commands, options, values of options with a fixed set of values, and files.'],
    args: [{ name: 'SHELL', description: `One of ${Object.keys(SCRIPTS).join(', ')}.` }],
    options: {},
    examples: [
      ['source <(sallyport completion bash)', 'In ~/.bashrc'],
      ['source <(sallyport completion zsh)', 'In ~/.zshrc, after compinit'],
      ['sallyport completion fish > ~/.config/fish/completions/sallyport.fish', 'For every new fish shell'],
    ],
    exit: { ok: 'written', failed: null },
    async run({ args: [shell = ''], io }) {
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
      if (script === undefined) {
        const hint = didYouMean(shell, Object.keys(SCRIPTS));
        throw new UsageFault(`SHELL must be one of ${Object.keys(SCRIPTS).join(', ')}${hint}`);
      }
      io.stdout.write(script(commands()));
      return EXIT.ok;
    },
  });

/** `keys` and its commands `generate`, `rotate`, `list`; a command of one word has none. */
function families(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const names = commands.map(({ name }) => name.split(' '));
  const byFirst = Map.groupBy(names, ([first = '']) => first);
  return new Map([...byFirst].map(([first, same]) => [first, same.flatMap(([, second]) => second ?? [])]));
}

/** `--config`, and `-c` where it has a short form. */
const spellings = ([name, { short }]: readonly [string, OptionSpec]): string[] => [
  `--${name}`,
  ...(short === undefined ? [] : [`-${short}`]),
];

/** Which words complete the value of an option; `null`: files, the only other thing that a shell knows. */
const valuesOf = (spec: OptionSpec): readonly string[] | null =>
  spec.type === 'string' && spec.choices !== undefined ? spec.choices : null;

function bashScript(commands: readonly Command[]): string {
  const words = families(commands);
  const groups = [...words].filter(([, seconds]) => seconds.length > 0);
  const valueCases = commands.flatMap(({ name, options }) =>
    Object.entries(options)
      .filter(([, { type }]) => type === 'string')
      .flatMap((entry) => {
        const values = valuesOf(entry[1]);
        const reply = values === null ? 'return' : `_sallyport_reply "${values.join(' ')}"; return`;
        return spellings(entry).map((spelling) => `    '${name} ${spelling}') ${reply} ;;`);
      }),
  );
  const optionCases = commands.map((command) => {
    const names = Object.keys(allOptions(command)).map((name) => `--${name}`);
    return `    '${command.name}') _sallyport_reply "${names.join(' ')}" ;;`;
  });
  return `# Completions of sallyport for bash. Where nothing is offered, files are completed.
_sallyport_reply() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_sallyport() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" name="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    _sallyport_reply "${[...words.keys(), 'help'].join(' ')} --help --version"
    return
  fi
  case "$name" in
    ${groups.map(([first]) => first).join('|')})
      if [ "$COMP_CWORD" -eq 2 ]; then
        case "$name" in
${groups.map(([first, seconds]) => `          ${first}) _sallyport_reply "${seconds.join(' ')} --help" ;;`).join('\n')}
        esac
        return
      fi
      name="$name \${COMP_WORDS[2]}" ;;
  esac
  case "$name $before" in
${valueCases.join('\n')}
  esac
  case "$current" in -*) ;; *) return ;; esac
  case "$name" in
${optionCases.join('\n')}
  esac
}
complete -o default -F _sallyport sallyport
`;
}

function fishScript(commands: readonly Command[]): string {
  const words = families(commands);
  const first = [...words].map(([word, seconds]) => {
    const summary = commands.find(({ name }) => name === word)?.summary ?? seconds.join(', ');
    return `complete -c sallyport -f -n __fish_is_first_token -a ${word} -d ${fishQuoted(summary)}`;
  });
  const second = commands
    .filter(({ name }) => name.includes(' '))
    .map(({ name, summary }) => {
      const [group = '', word = ''] = name.split(' ');
      return `complete -c sallyport -f -n '__sallyport_is_next ${group}' -a ${word} -d ${fishQuoted(summary)}`;
    });
  const options = commands.flatMap((command) =>
    Object.entries(allOptions(command)).map(([name, spec]) => {
      const values = valuesOf(spec);
      const short = spec.short === undefined ? '' : ` -s ${spec.short}`;
      const value =
        spec.type === 'boolean' ? '' : values === null ? ' -r -F' : ` -x -a ${fishQuoted(values.join(' '))}`;
      const words = `-l ${name}${short}${value} -d ${fishQuoted(firstSentence(spec.description))}`;
      return `complete -c sallyport -n '__sallyport_is_in ${command.name}' ${words}`;
    }),
  );
  return `# Completions of sallyport for fish.
function __sallyport_is_in
  set -l typed (commandline -opc)
  set -l last (math 1 + (count $argv))
  test (count $typed) -ge $last; and test "$typed[2..$last]" = "$argv"
end
function __sallyport_is_next
  test (count (commandline -opc)) -eq 2; and __sallyport_is_in $argv
end
${[...first, ...second, ...options].join('\n')}
`;
}

const firstSentence = (text: string): string => /^.*?[.;](?=\s|$)/s.exec(text)?.[0].slice(0, -1) ?? text;

/** Quotes a text as one word for fish. */
const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
