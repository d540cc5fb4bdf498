/** The contents of the files of `monitoring/` and of the runbooks, as data. */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const ROOT = join(import.meta.dirname, '../..');

/** An expression and its location. */
export interface Query {
  readonly where: string;
  readonly expr: string;
}

interface Rule {
  readonly expr: string;
  readonly record?: string;
  readonly alert?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The rule file. */
export const ALERTS_PATH = join(ROOT, 'monitoring/alerts.yaml');

const rules = (parse(read('monitoring/alerts.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (it) => it.rules,
);

/** Every rule, recording ones included. */
export const RULES: readonly Query[] = rules.map(({ alert, record, expr }) => ({ where: alert ?? record ?? '', expr }));

/** The alerts, in the order of the file. */
export const ALERTS = rules.flatMap(({ alert, expr, labels = {}, annotations = {} }) =>
  alert === undefined ? [] : [{ alert, expr, labels, annotations }],
);

const dashboard = JSON.parse(read('monitoring/dashboard.json')) as Dashboard;

/** The panels of the dashboard, rows included. */
export const PANELS = dashboard.panels;

/** The expressions of the panels, with the variables of Grafana. */
export const DASHBOARD_QUERIES: readonly Query[] = PANELS.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ where: `panel ${title}`, expr })),
);

/** The queries behind the variables. */
export const VARIABLE_QUERIES: readonly Query[] = dashboard.templating.list.flatMap(({ name, definition }) =>
  definition === undefined ? [] : [{ where: `variable ${name}`, expr: definition }],
);

/** The queries of the runbooks. */
export const runbookQueries = (): readonly Query[] =>
  globSync('docs/runbooks/*.md', { cwd: ROOT }).flatMap((path) =>
    [...read(path).matchAll(/^```promql\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
      block
        .trim()
        .split('\n')
        .map((expr) => ({ where: path, expr })),
    ),
  );
