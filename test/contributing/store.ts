/** The worked example of a store. It is the embedded store under another name, to show how a store is connected. */

import type { Example } from './example.ts';

/** A key of the section, and a row in the list of stores. */
export const TRIAL_STORE: Example = {
  newFiles: {
    'src/store/trial/section.ts': `/** \`store.trial\`. */

import { z } from 'zod';
import { count } from '../../config/fields.ts';

/** The section. */
export const trial = () =>
  z.strictObject({ maxSessions: count(10).meta({ description: 'Logins are refused with 503 beyond this.', restart: true }) });

/** \`store.trial\`, loaded. */
export type TrialConfig = z.output<ReturnType<typeof trial>>;
`,
    'src/store/trial/kind.ts': `/** trial: a store to try things with. */

import { defineCodes, warning } from '../../config/findings/problem.ts';
import { createMemoryStore } from '../memory/store.ts';
import type { NetworkedStore } from '../networked/kind.ts';
import type { TrialConfig } from './section.ts';

const codes = defineCodes({ 'store/trial-small': warning('The trial store holds one session.') });

/** See \`../kinds.ts\`. */
export const TRIAL = {
  codes,
  lint: ({ maxSessions }, source) => {
    if (maxSessions === 1) source.report(codes['store/trial-small'], ['store', 'trial', 'maxSessions'], 'one session only');
  },
  checkFiles: async () => {},
  open: async ({ maxSessions }, clocks, events) => {
    events.onAvailable();
    return { ...createMemoryStore(maxSessions, clocks), description: 'trial' };
  },
  inspect: async () => ({
    ...{ description: 'trial', problem: null, version: null, roundTripMs: null },
    ...{ clockAheadMs: null, memory: null, warnings: [] },
  }),
} satisfies NetworkedStore<TrialConfig>;
`,
  },
  edits: {
    'src/store/section.ts': [
      { after: "from './redis/section.ts';\n", insert: "import { trial } from './trial/section.ts';\n" },
      {
        after: '  z.strictObject({\n',
        insert: "    trial: trial().optional().meta({ description: 'A store to try things with.' }),\n",
      },
    ],
    'src/store/kinds.ts': [
      { after: "from './store.ts';\n", insert: "import { TRIAL } from './trial/kind.ts';\n" },
      { after: 'NetworkedStore<Sections[K]> } = { ', insert: 'trial: TRIAL, ' },
      { after: 'NETWORKED_CODES = { ', insert: '...TRIAL.codes, ' },
    ],
  },
};
