/** Chooses the text format of the metrics by what the client accepts. */

import { Registry } from 'prom-client';
import { trim } from '../lib/text/trim.ts';
import type { TextFormat } from './metric-parts.ts';

/** The media type of each format. */
export const MEDIA_TYPES: Readonly<Record<TextFormat, string>> = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

const OPENMETRICS = 'application/openmetrics-text';
/** What is written is 1.0.0, which a reader of the draft understands. */
const VERSIONS: readonly string[] = ['1.0.0', '0.0.1'];

/**
 * The format for a client: OpenMetrics if it is named, in a version that is written here, and preferred no less than plain
 * text; the Prometheus text format otherwise, whatever the client accepts.
 *
 * @param accept  value of Accept, untrusted; empty when it is absent
 * @see RFC 9110 §12.5.1
 */
export function textFormatFor(accept: string): TextFormat {
  let [openMetrics, plainText] = [0, 0];
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => trim(part).toLowerCase());
    const quality = Number(parameterOf(parameters, 'q') ?? 1);
    if (type === OPENMETRICS && VERSIONS.includes(parameterOf(parameters, 'version') ?? '1.0.0'))
      openMetrics = Math.max(openMetrics, quality);
    else if (type === 'text/plain') plainText = Math.max(plainText, quality);
  }
  return openMetrics > 0 && openMetrics >= plainText ? 'openmetrics' : 'prometheus';
}

const parameterOf = (parameters: readonly string[], name: string): string | undefined =>
  parameters.find((parameter) => parameter.startsWith(`${name}=`))?.slice(name.length + 1);
