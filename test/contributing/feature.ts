/**
 * The worked example of docs/contributing/recipes.md: a feature of four small files, `greeting`, and the edits that connect
 * it to the gateway. `recipes.test.ts` applies both to a copy of the sources, compiles it and runs it.
 */

import type { Example } from './example.ts';

/** A section with a key, a finding, a metric, and a command. */
export const GREETING: Example = {
  // The feature's own folder, and its command.
  newFiles: {
    'src/greeting/section.ts': `/** The section \`greeting\`: what the gateway says about itself. */

import { z } from 'zod';

/** The section. */
export const greeting = () =>
  z.strictObject({
    text: z.string().min(1).max(80).prefault('Welcome').meta({ description: 'What \`sallyport greet\` prints.' }),
  });

/** \`greeting\`, loaded. */
export type GreetingConfig = z.output<ReturnType<typeof greeting>>;
`,
    'src/greeting/lint.ts': `/** Rules about the greeting. */

import type { LintContext } from '../config/lint.ts';
import { defineCodes, warning } from '../config/findings/problem.ts';
import type { GreetingConfig } from './section.ts';

/** Codes of the findings about the greeting. */
export const codes = defineCodes({
  'greeting/shouting': warning('The greeting is in capitals.'),
});

/** Applies the rules. */
export function lint({ draft, source }: LintContext<{ readonly greeting?: GreetingConfig | undefined }>): void {
  const text = draft.greeting?.text ?? '';
  if (!/[A-Z]/.test(text) || text !== text.toUpperCase()) return;
  source.report(codes['greeting/shouting'], ['greeting', 'text'], 'greeting.text is in capitals', 'use lower case');
}
`,
    'src/greeting/series.ts': `/** What is counted about greetings. */

import type { MetricRegistry } from '../telemetry/registry.ts';

const TONES = ['friendly', 'shouting'] as const;

/** The metric series of greetings. */
export class GreetingSeries {
  readonly greetings;

  /** Once per registry. */
  constructor(registry: MetricRegistry) {
    this.greetings = registry.counter('greetings_total', 'Greetings by tone.', { tone: TONES });
  }
}
`,
    'src/cli/greet.ts': `import { defineCommand, EXIT } from './command.ts';

/** \`sallyport greet\`. */
export const greet = defineCommand({
  name: 'greet',
  summary: 'Print a greeting',
  args: [{ name: 'NAME', description: 'Who is greeted.' }],
  options: { loud: { type: 'boolean', description: 'In capitals.' } },
  examples: [['sallyport greet alice', 'Greets alice']],
  exit: { ok: 'printed', failed: 'never' },
  async run({ options, args: [name = ''], io }) {
    const line = \`Welcome, \${name}\`;
    io.stdout.write(\`\${options.loud ? line.toUpperCase() : line}\\n\`);
    return EXIT.ok;
  },
});
`,
  },
  edits: {
    'src/gateway/configuration/schema.ts': [
      { after: "import { z } from 'zod';\n", insert: "import { greeting } from '../../greeting/section.ts';\n" },
      {
        after: "Version of this format.' }),\n",
        insert: "      greeting: greeting().optional().meta({ description: 'What the gateway says about itself.' }),\n",
      },
    ],
    'src/gateway/configuration/parts.ts': [
      { after: ' */\n\n', insert: "import * as greeting from '../../greeting/lint.ts';\n" },
      {
        after: 'export const PARTS = [\n',
        insert: "  { name: 'greeting', codes: greeting.codes, lint: greeting.lint },\n",
      },
    ],
    'src/gateway/series.ts': [
      { after: ' */\n\n', insert: "import { GreetingSeries } from '../greeting/series.ts';\n" },
      { after: '  return {\n', insert: '    greetings: new GreetingSeries(registry),\n' },
    ],
    'src/cli/commands.ts': [
      { after: "from './command.ts';\n", insert: "import { greet } from './greet.ts';\n" },
      { after: "  'This program': [", insert: 'greet, ' },
    ],
  },
};
