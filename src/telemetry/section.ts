/** The sections `log` and `metrics`. */

import { z } from 'zod';

/** The section `log`. */
export const log = () =>
  z.strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error']).prefault('info').meta({
      description: 'Least severe level that is written, in the access log too; at `info` it has every request.',
    }),
    access: z.enum(['all', 'errors', 'off']).prefault('all').meta({
      description:
        'Access log: every request, only those answered with 4xx or 5xx by the gateway or 5xx by anyone, or none.',
    }),
    auditFile: z.string().min(1).optional().meta({
      description:
        'File for the audit stream (login, logout, revocation, denial). Default: standard output. If the file is renamed, the next record creates a new one.',
      restart: true,
    }),
    onAuditFailure: z.enum(['serve', 'refuse']).prefault('serve').meta({
      description:
        'When audit records cannot be written: `serve` continues and keeps them in memory (4 MiB; records beyond that are lost and counted), `refuse` also answers logins and token requests with 503. Logouts and revocations always work.',
    }),
  });

/** The section `metrics`. */
export const metrics = () =>
  z.strictObject({
    labels: z
      .array(z.enum(['method']))
      .prefault(['method'])
      .meta({
        description: 'Optional labels that multiply the series of each route: `[]` saves 35 series per route.',
        restart: true,
      }),
  });

/** `log`, loaded. */
export type LogConfig = z.output<ReturnType<typeof log>>;
