/** The section `traces`: where spans go, and which requests are recorded. */

import { z } from 'zod';
import { count, duration, filePath, httpUrl, type SchemaContext } from '../../config/fields.ts';

/** The section `traces`. */
export const traces = (context: SchemaContext) =>
  z.strictObject({
    url: httpUrl().meta({
      description:
        'Where spans are sent, by OTLP over HTTP (protobuf): the whole URL, such as http://otel-collector:4318/v1/traces.',
    }),
    headersFile: filePath(context).optional().meta({
      description: 'File with headers for these requests, one `Name: value` per line, such as Authorization.',
      secretFile: 'OTLP headers',
    }),
    caFile: filePath(context)
      .optional()
      .meta({ description: 'CA of the certificate of an https URL, PEM. Default: the CAs of the system.' }),
    timeout: duration('10s', { atLeastMs: 100, atMostMs: 60_000 }).meta({
      description: 'For one batch of spans, repeats included; then it is dropped.',
    }),
    sampleRatio: z.number({ error: 'must be a number from 0 to 1' }).min(0).max(1).prefault(0.01).meta({
      description: 'Fraction of the requests that continue no trace to record: 0.01 is 1 %, 1 is all.',
    }),
    trustParent: z.enum(['trustedProxies', 'all', 'none']).prefault('trustedProxies').meta({
      description:
        "Whose `traceparent` the public listener trusts: that of proxies in `trustedProxies`, everybody's, or nobody's. A trusted one decides whether a request is recorded, and is forwarded; any other is removed.",
    }),
    maxPerSecond: count(100).meta({
      description: 'Most requests to record per second, in each process, whatever the ratio and the parents say.',
    }),
    serviceName: z.string().min(1).max(255).prefault('sallyport').meta({
      description: 'The `service.name` of all spans.',
    }),
    attributes: z.record(z.string().min(1).max(255), z.string().max(1_024)).prefault({}).meta({
      description: 'Further attributes of the resource, such as `deployment.environment.name: production`.',
    }),
  });

/** `traces`, loaded. */
export type TracesConfig = z.output<ReturnType<typeof traces>>;
