/** The worked example of a listener: an address on which every request is answered with a greeting. */

import type { Example } from './example.ts';

/** A section below `listeners`, a pipeline, and a row in the list. */
export const GREETING_LISTENER: Example = {
  newFiles: {
    'src/listener/greeting/section.ts': `/** \`listeners.greeting\`. */

import { z } from 'zod';
import { listenAddress } from '../../config/fields.ts';

/** The section. */
export const greetingListener = () =>
  z.strictObject({
    address: listenAddress().meta({ description: 'host:port of the greeting.', restart: true }),
    text: z.string().min(1).prefault('Welcome').meta({ description: 'What it says.' }),
  });
`,
    'src/listener/greeting/pipeline.ts': `/** greeting: the pipeline of a listener that gives everyone the same answer. Refuses what \`sanitize\` refuses. */

import type { Exchange } from '../../exchange.ts';
import type { Pipeline } from '../../pipeline.ts';

/** Makes it from the public pipeline. Its requests count as requests for the gateway's own endpoints. */
export function greetingPipeline(front: Pipeline, text: string): Pipeline {
  const body = JSON.stringify({ text });
  const answer = (exchange: Exchange) => {
    front.responder.json(exchange, 200, body);
    return null;
  };
  return { ...front, endpoints: { match: () => answer }, series: { ...front.series, unmatched: front.series.endpoints } };
}
`,
  },
  edits: {
    'src/gateway/configuration/schema.ts': [
      {
        after: "from '../../listener/section.ts';\n",
        insert: "import { greetingListener } from '../../listener/greeting/section.ts';\n",
      },
      {
        after: "public: publicListener(context).meta({ description: 'Where clients connect.' }),\n",
        insert: "    greeting: greetingListener().optional().meta({ description: 'Where everyone is greeted.' }),\n",
      },
    ],
    'src/gateway/listeners.ts': [
      {
        after: '    readonly redirect?: Addressed | undefined;\n',
        insert: '    readonly greeting?: Addressed | undefined;\n',
      },
      { after: 'const { public: front, redirect', insert: ', greeting' },
      {
        after: '      http2: servesHttp2(front),\n    },\n',
        insert:
          "    ...(greeting === undefined ? [] : [{ name: 'greeting', key: 'listeners.greeting.address', address: greeting.address }]),\n",
      },
    ],
    'src/gateway/compile.ts': [
      {
        after: "from '../listener/redirect.ts';\n",
        insert: "import { greetingPipeline } from '../listener/greeting/pipeline.ts';\n",
      },
      {
        after: 'redirect: redirectPipeline(pipeline),\n',
        insert:
          '      ...(config.listeners.greeting && { greeting: greetingPipeline(pipeline, config.listeners.greeting.text) }),\n',
      },
    ],
  },
};
