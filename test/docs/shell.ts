/** The commands of a shell script, as far as documents use the shell: no functions, no `case`, no nested here-documents. */

/** A simple command: its program and its arguments, without assignments before it and redirections. */
export interface ShellCommand {
  readonly program: string;
  readonly args: readonly string[];
}

const KEYWORDS = new Set(['for', 'do', 'done', 'if', 'then', 'else', 'fi', 'while', 'in', '{', '}', '!']);
const ENDS_COMMAND = /^(?:\n|;|&&|\|\||\||&|\(|\))/;

/** Every command of a script, those in `$(…)` included. Quotes are removed; variables stay as they are written. */
export function shellCommands(script: string): readonly ShellCommand[] {
  const substituted: string[] = [];
  const outer = script.replaceAll('\\\n', ' ').replace(/\$\(((?:[^()]|\([^()]*\))*)\)/g, (_, inner: string) => {
    substituted.push(inner);
    return 'SUBSTITUTED';
  });
  return [
    ...lists(outer).flatMap((words) => commandOf(words)),
    ...substituted.flatMap((inner) => shellCommands(inner)),
  ];
}

/** The words of each simple command. */
function lists(script: string): string[][] {
  const commands: string[][] = [[]];
  for (let rest = script; rest !== ''; ) {
    const blank = /^(?:[ \t]+|#[^\n]*)/.exec(rest)?.[0];
    const end = ENDS_COMMAND.exec(rest)?.[0];
    if (blank !== undefined) rest = rest.slice(blank.length);
    else if (end !== undefined) {
      commands.push([]);
      rest = rest.slice(end.length);
    } else {
      const [word, length] = readWord(rest);
      commands.at(-1)?.push(word);
      rest = rest.slice(length);
    }
  }
  return commands.filter((words) => words.length > 0);
}

/** The first word of a text, without its quotes, and how many characters it takes. */
function readWord(text: string): [word: string, length: number] {
  const parts = /^(?:'[^']*'|"(?:\\[\s\S]|[^"\\])*"|\\[\s\S]|\d?(?:<<|>>|[<>])(?:&\d)?|[^\s'"\\;|&()<>])+/.exec(
    text,
  )?.[0];
  if (parts === undefined) throw new Error(`cannot be read as shell: ${text.slice(0, 40)}`);
  const word = parts.replace(
    /'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|\\([\s\S])/g,
    (_, single, double, escaped) => single ?? double ?? escaped,
  );
  return [word, parts.length];
}

function commandOf(words: readonly string[]): ShellCommand[] {
  const kept: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (/^\d?(?:<<|>>|[<>])$/.test(word)) at++;
    else if (!/^\d?(?:<<|>>|[<>])/.test(word) && !KEYWORDS.has(word)) kept.push(word);
  }
  // `for x in a b` names a variable and words, no command.
  if (words[0] === 'for') return [];
  const first = kept.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  const [program, ...args] = first === -1 ? [] : kept.slice(first);
  return program === undefined ? [] : [{ program, args }];
}
