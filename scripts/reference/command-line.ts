/** `docs/reference/cli.md`: the help of every command. */

import { COMMAND_GROUPS, COMMANDS } from '../../src/cli/commands.ts';
import { commandHelp, programHelp } from '../../src/cli/help.ts';
import { generated } from './markdown.ts';

/** Writes the page. */
export function commandLinePage(): string {
  const commands = COMMANDS.map((command) => `## ${command.name}\n\n\`\`\`text\n${commandHelp(command)}\`\`\`\n`);
  return `${generated('src/cli/')}
# Command line

\`\`\`text
${programHelp(COMMAND_GROUPS)}\`\`\`

${commands.join('\n')}`;
}
