/** Files and environment variables for a configuration, independent of the machine. */

import type { ConfigFiles } from '../../src/config/files/files.ts';
import { load as loadComposition } from '../../src/config/load.ts';
import { COMPOSITION, type LoadResult } from '../../src/gateway/configuration/load.ts';
import { configSchema } from '../../src/gateway/configuration/schema.ts';

/** Must never appear in any output. */
export const CANARY = 'canary-5ecret';

/** Files with "missing" in their path do not exist; those with "open" are world-readable. */
const fakeFiles: ConfigFiles = {
  problem: (path, kind) => (path.includes('missing') ? `names a ${kind} that does not exist` : null),
  isWorldReadable: (path) => path.includes('open'),
  read: (path) =>
    path.includes('missing')
      ? { problem: 'names a file that does not exist' }
      : { text: `redis://:${CANARY}@redis:6379\n` },
};

export const fakeEnv = {
  HOST: 'shop.example.com',
  EMPTY: '',
  PORT: '8081',
  WORKERS: '4',
  REDIS_URL: `redis://user:${CANARY}@redis:6379/0`,
  API_KEY: CANARY,
};

const OPTIONS = { path: 'sallyport.yaml', cwd: '/etc/sallyport', env: fakeEnv };
/** Built once: building it takes longer than loading a configuration. */
const fakeSchema = configSchema({ baseDir: OPTIONS.cwd, fileProblem: fakeFiles.problem });

/** Loads a text as `sallyport.yaml` in `/etc/sallyport`. */
export const load = (text: string, files: ConfigFiles = fakeFiles): LoadResult => {
  const composition = files === fakeFiles ? { ...COMPOSITION, schema: () => fakeSchema } : COMPOSITION;
  return loadComposition(text, { ...OPTIONS, files }, composition);
};

/** The smallest configuration without findings, as lines. */
export const MINIMAL = `version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
upstreams: { app: { endpoints: [http://127.0.0.1:3000] } }
routes:
  - { id: app, match: { path: / }, credential: none, upstream: app }
`;
