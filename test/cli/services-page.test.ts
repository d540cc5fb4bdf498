/** The commands of docs/how-to/services.md, with the configurations on that page. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cli, temporaryDirectory } from './support.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/how-to/services.md'), 'utf8');
const FILES = [...PAGE.matchAll(/^```yaml\n# ([a-z]+\.yaml)\b[^\n]*\n(.*?)^```$/gms)];
const COMMANDS = [...PAGE.matchAll(/^sallyport (explain .*)$/gm)].map(([, command = '']) => command);

test('the page has commands and configurations', () => {
  expect(FILES.map(([, name]) => name)).toEqual(['ingress.yaml', 'sidecar.yaml']);
  expect(COMMANDS.length).toBeGreaterThanOrEqual(6);
});

test.each(COMMANDS)('%s', async (command) => {
  const directory = temporaryDirectory();
  for (const [, name = '', text = ''] of FILES) writeFileSync(join(directory, name), text);
  const argv = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  expect(await cli(argv, { cwd: directory })).toMatchObject({ code: 0, err: '' });
});
