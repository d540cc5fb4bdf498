/**
 * Plots of the figures as SVG, light and dark. Drawn by Vega-Lite, which needs no browser: Observable Plot would need a DOM, and has not
 * been released as recently.
 */

import type { Spread } from '../support/statistics.ts';

/** The parts of Vega and Vega-Lite that are used. */
interface Vega {
  readonly parse: (spec: object) => object;
  readonly View: new (runtime: object, options: { readonly renderer: 'none' }) => { toSVG(): Promise<string> };
}
interface VegaLite {
  readonly compile: (spec: object) => { readonly spec: object };
}

/** Not in the words of an import, because the compiler would then want them where the benchmarks are not installed. */
const [VEGA, VEGA_LITE]: readonly string[] = ['vega', 'vega-lite'];

/** One bar, or one point of a line. */
export interface Mark {
  /** Of a bar; of a point, its place on the axis. */
  readonly at: string | number;
  readonly value: Spread;
  /** Colour. */
  readonly group: string;
}

export interface Plot {
  readonly title: string;
  readonly kind: 'bars' | 'line';
  readonly marks: readonly Mark[];
  /** What is measured, with its unit. */
  readonly measure: string;
  /** Of a line: what the axis counts. Steps of powers, where it counts. */
  readonly axis?: string;
}

export const THEMES = {
  light: { text: '#1f2328', grid: '#d8dee4', colours: ['#0969da', '#bc4c00', '#57606a', '#8250df'] },
  dark: { text: '#e6edf3', grid: '#30363d', colours: ['#58a6ff', '#f0883e', '#8b949e', '#bc8cff'] },
} as const;

/** Draws a plot; the same figures always give the same text. */
export async function draw(plot: Plot, theme: keyof typeof THEMES): Promise<string> {
  const { text, grid, colours } = THEMES[theme];
  const config = {
    background: 'transparent',
    font: 'system-ui, sans-serif',
    title: { color: text, anchor: 'start', fontSize: 14, offset: 12 },
    axis: { labelColor: text, titleColor: text, gridColor: grid, domainColor: grid, tickColor: grid, labelLimit: 0 },
    legend: { labelColor: text, titleColor: text, orient: 'bottom', title: null, columns: 4 },
    range: { category: colours },
    view: { stroke: null },
  };
  const values = plot.marks.map(({ at, group, value: { min, median, max } }) => ({ at, group, min, median, max }));
  const spec = {
    ...(plot.kind === 'bars' ? bars(plot, text) : line(plot)),
    data: { values },
    title: plot.title,
    config,
  };
  const { parse, View } = (await import(VEGA as string)) as Vega;
  const { compile } = (await import(VEGA_LITE as string)) as VegaLite;
  const svg = await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG();
  // A title of its own is what a screen reader says.
  return `${svg.replace('<svg ', `<svg role="img" aria-label="${plot.title.replaceAll('"', '')}" `)}\n`;
}

/** By whom; a legend of one entry says nothing. */
function colourOf({ marks }: Plot): object {
  const isOne = new Set(marks.map(({ group }) => group)).size === 1;
  return { field: 'group', type: 'nominal', sort: null, ...(isOne && { legend: null }) };
}

function bars(plot: Plot, text: string): object {
  const y = { field: 'at', type: 'nominal', sort: null, title: null };
  const x = { field: 'median', type: 'quantitative', title: plot.measure };
  return {
    width: 520,
    height: { step: 24 },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.65 } },
        encoding: { y, x, color: colourOf(plot) },
      },
      {
        mark: { type: 'rule', color: text, strokeWidth: 1.5 },
        encoding: { y, x: { field: 'min', type: 'quantitative' }, x2: { field: 'max' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 6, color: text },
        encoding: {
          ...{ y, x: { field: 'max', type: 'quantitative' } },
          text: { field: 'median', type: 'quantitative', format: '.3~r' },
        },
      },
    ],
  };
}

function line(plot: Plot): object {
  const { measure, axis, marks } = plot;
  const isNumber = typeof marks[0]?.at === 'number';
  const x = {
    ...{ field: 'at', title: axis ?? null },
    ...(isNumber
      ? { type: 'quantitative', scale: { type: 'log' }, axis: { format: '~s' } }
      : { type: 'ordinal', sort: null }),
  };
  return {
    width: 520,
    height: 240,
    layer: [
      {
        mark: { type: 'line', point: { size: 50, filled: true }, strokeWidth: 2 },
        encoding: {
          x,
          y: { field: 'median', type: 'quantitative', title: measure, scale: { zero: true } },
          color: colourOf(plot),
        },
      },
      {
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, y: { field: 'min', type: 'quantitative' }, y2: { field: 'max' }, color: colourOf(plot) },
      },
    ],
  };
}
