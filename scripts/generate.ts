/**
 * Generates the JSON Schemas of the configuration and of the chart's values, what `docs/reference/` holds, the list of decisions and
 * the dashboard from the sources. The same sources give the same bytes; `npm run check` runs it and fails when something changes.
 *
 * Usage: node scripts/generate.ts
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { jsonSchema } from '../src/gateway/configuration/load.ts';
import { dashboardJson } from './monitoring/dashboard.ts';
import { adminApiDocument } from './reference/admin-api.ts';
import { chartValuesSchema } from './reference/chart-values.ts';
import { commandLinePage } from './reference/command-line.ts';
import { configurationPage } from './reference/configuration.ts';
import { decisionsPage } from './reference/decisions.ts';
import { endpointsPage } from './reference/endpoints.ts';
import { headersPage } from './reference/headers.ts';
import { lifetimesPage, lifetimesPicture } from './reference/lifetimes.ts';
import { metricsPage } from './reference/metrics.ts';
import { oauth2ProxyPage } from './reference/oauth2-proxy.ts';
import { problemsPage } from './reference/problems.ts';
import { reasonsPage } from './reference/reasons.ts';
import { renamedKeysPage } from './reference/renamed-keys.ts';

/** Path below the root of the repository → text. */
export async function generatedFiles(): Promise<Readonly<Record<string, string>>> {
  return {
    'config/sallyport.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    'docs/adr/README.md': decisionsPage(),
    'docs/reference/configuration.md': configurationPage(),
    'docs/reference/problems.md': problemsPage(),
    'docs/reference/reasons.md': reasonsPage(),
    'docs/reference/renamed-keys.md': renamedKeysPage(),
    'docs/reference/headers.md': headersPage(),
    'docs/reference/metrics.md': await metricsPage(),
    'docs/reference/cli.md': commandLinePage(),
    'docs/reference/endpoints.md': endpointsPage(),
    'docs/reference/lifetimes.md': lifetimesPage(),
    'docs/images/lifetimes.svg': lifetimesPicture(),
    'docs/reference/oauth2-proxy.md': oauth2ProxyPage(),
    'docs/reference/admin-api.openapi.yaml': adminApiDocument(),
    'monitoring/dashboard.json': dashboardJson(),
    'charts/sallyport/values.schema.json': chartValuesSchema(),
    // A chart can only read its own files. Without white space, because every release stores them.
    'charts/sallyport/files/dashboard.json': `${JSON.stringify(JSON.parse(dashboardJson()))}\n`,
    'charts/sallyport/files/alerts.yaml': readFileSync(new URL('../monitoring/alerts.yaml', import.meta.url), 'utf8'),
  };
}

if (import.meta.main) {
  const root = new URL('../', import.meta.url);
  for (const directory of ['docs/reference/', 'charts/sallyport/files/'])
    mkdirSync(new URL(directory, root), { recursive: true });
  for (const [path, text] of Object.entries(await generatedFiles())) writeFileSync(new URL(path, root), text);
}
