import { defineCommand, EXIT } from './command.ts';
import { ADMIN_OPTIONS, findAdmin } from './io/admin-client.ts';
import { JSON_OPTION } from './io/configuration.ts';
import { request } from './io/http.ts';

/** `sallyport health`. */
export const health = defineCommand({
  name: 'health',
  summary: 'Check whether a running gateway is alive or ready',
  description: [
    'Requests /livez (with --ready: /readyz) of the admin listener. For HEALTHCHECK in a container, which has no curl.',
  ],
  options: {
    ...ADMIN_OPTIONS,
    ready: { type: 'boolean', description: 'Check whether it can serve requests now.' },
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport health', 'The gateway of sallyport.yaml'],
    ['sallyport health --ready --admin-url http://127.0.0.1:9090', 'Without a configuration'],
  ],
  exit: { ok: 'healthy', failed: 'not healthy, or no answer' },
  async run({ options, io }) {
    const { url } = await findAdmin(options, io);
    const { status, body } = await request('GET', new URL(options.ready ? '/readyz' : '/livez', url), {
      timeoutMs: 3_000,
    });
    const isOk = status === 200;
    io.stdout.write(
      options.json ? `${JSON.stringify({ ok: isOk, status })}\n` : body.endsWith('\n') ? body : `${body}\n`,
    );
    return isOk ? EXIT.ok : EXIT.failed;
  },
});
