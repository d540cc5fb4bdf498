/**
 * What the panels of the dashboard have in common: how a selector, a rate or a quantile is written, and how a panel looks.
 * The shapes are those of Grafana's own SDK, so a dashboard that Grafana cannot read does not compile.
 */

import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import { ThresholdsConfigBuilder, ThresholdsMode } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** The data source that is chosen at the top of the dashboard. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/**
 * The variables at the top of the dashboard as a selector. Outside Kubernetes no series has `namespace` or `pod`; "All" then
 * matches them as well.
 */
const CHOSEN = 'job=~"$job", namespace=~"$namespace", pod=~"$pod"';

/** The name of the lines of one process; `pod` is empty outside Kubernetes. */
export const PROCESS = '{{pod}} {{instance}}';

/** One line of a panel, or several: an expression, and the names of its lines. */
export type Query = readonly [expr: string, legend: string];

/** What a panel shows. */
export interface PanelSpec {
  readonly title: string;
  /** What to read from it, for a person who sees it for the first time. */
  readonly description: string;
  /** As Grafana calls it: `reqps`, `s`, `percentunit`, `short`, `bytes`, … */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Values on top of each other; default: not. */
  readonly isStacked?: boolean;
  /** One number instead of a graph: orange from the first, red from the second value, where there are such. */
  readonly stat?: { readonly orangeFrom?: number; readonly redFrom?: number; readonly redBelow?: number };
}

/** The series of a metric, by its name without `sallyport_`. @param labels  further matchers */
export const series = (metric: string, labels = ''): string => named(`sallyport_${metric}`, labels);

/** The same for a metric with another prefix. */
export const named = (metric: string, labels = ''): string =>
  `${metric}{${CHOSEN}${labels === '' ? '' : `, ${labels}`}}`;

/** Per second. */
export const rate = (metric: string, labels = ''): string => `rate(${series(metric, labels)}[$__rate_interval])`;

/** The sum per second, by these labels. */
export const rateBy = (by: string, metric: string, labels = ''): string => `sum by (${by}) (${rate(metric, labels)})`;

/** The same, without lines that are zero: for labels with many values, most of which never occur. */
export const rateOfSome = (by: string, metric: string, labels = ''): string => `${rateBy(by, metric, labels)} > 0`;

/** A quantile of a histogram. @param by  labels beside `le`, with a comma at the end of each */
export const quantile = (share: number, metric: string, by = '', labels = ''): string =>
  `histogram_quantile(${share}, sum by (${by}le) (${rate(`${metric}_bucket`, labels)}))`;

/** The median, the 90th and the 99th percentile of a histogram. */
export const quantiles = (metric: string, labels = ''): readonly Query[] =>
  [0.5, 0.9, 0.99].map((share) => [quantile(share, metric, '', labels), `p${share * 100}`] as const);

/** Makes a panel. @param id  unique in the dashboard */
export function panelOf(spec: PanelSpec, id: number, { width, height }: { width: number; height: number }) {
  const panel = spec.stat === undefined ? graph(spec) : number(spec.stat);
  panel.id(id).title(spec.title).description(spec.description).unit(spec.unit).span(width).height(height);
  // What is left out where it is zero has no lines in a healthy gateway.
  panel.datasource(DATASOURCE).noValue('none');
  for (const [index, [expr, legend]] of spec.queries.entries()) {
    const query = new DataqueryBuilder()
      .expr(expr)
      .legendFormat(legend)
      .refId(String.fromCharCode(65 + index));
    panel.withTarget(spec.stat === undefined ? query.range() : query.instant());
  }
  return panel;
}

function graph({ isStacked = false }: PanelSpec) {
  const legend = new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .showLegend(true);
  const tooltip = new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending);
  const panel = new TimeSeriesBuilder()
    .legend(legend)
    .tooltip(tooltip)
    .min(0)
    .showPoints(VisibilityMode.Never)
    .fillOpacity(isStacked ? 40 : 10)
    .gradientMode(GraphGradientMode.None);
  return isStacked ? panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal)) : panel;
}

function number({ orangeFrom, redFrom, redBelow }: NonNullable<PanelSpec['stat']>) {
  const steps = [
    { value: null, color: redBelow === undefined ? 'green' : 'red' },
    ...(redBelow === undefined ? [] : [{ value: redBelow, color: 'green' }]),
    ...(orangeFrom === undefined ? [] : [{ value: orangeFrom, color: 'orange' }]),
    ...(redFrom === undefined ? [] : [{ value: redFrom, color: 'red' }]),
  ];
  return new StatBuilder()
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps));
}
