/** `sallyport why`: shows what happened to a request, and what to do about it. */

import { RECENT_REQUESTS, type RecentRequest } from '../../telemetry/recent-requests.ts';
import { defineCommand, EXIT, UsageFault } from '../command.ts';
import { ADMIN_API_OPTIONS, callAdmin, findAdmin, requireShape } from '../io/admin-client.ts';
import { JSON_OPTION } from '../io/configuration.ts';
import { show } from '../io/output.ts';

/** `sallyport why`. */
export const why = defineCommand({
  name: 'why',
  summary: 'Show what happened to a recent request, and what to do about it',
  description: [
    `The request id is on every error page, in X-Request-Id of every response, and in the log. Uses the admin API of a running gateway, where each process remembers its last ${RECENT_REQUESTS.toLocaleString('en')} requests; the log has older ones.`,
    'Each replica remembers only its own requests: name the admin listener of each with --admin-url.',
  ],
  args: [{ name: 'REQUEST-ID', description: 'The id of the request.' }],
  options: { ...ADMIN_API_OPTIONS, json: JSON_OPTION },
  examples: [
    ['sallyport why 4bf92f3577b34da6a3ce929d0e0e4736', 'With the id that a user has copied from an error page'],
  ],
  exit: { ok: 'shown', failed: 'no process remembers the request, or the gateway cannot be asked' },
  async run({ options, args, io }) {
    const { adviceOn, whyText } = await import('./text.ts');
    const { REQUEST_ID_PATTERN } = await import('../../sanitize/sanitize.ts');
    const [id = ''] = args;
    // It may come from a stranger's report, and is printed as part of a command below.
    if (!REQUEST_ID_PATTERN.test(id)) throw new UsageFault(`${JSON.stringify(id)} is not a request id`);
    const place = await findAdmin(options, io);
    const path = `/api/requests?id=${encodeURIComponent(id)}`;
    const answer = await callAdmin('GET', path, place);
    const { request } = requireShape(answer, isAnswer, place);
    if (request === null) {
      io.stderr.write(
        `No process of the gateway at ${place.url.host} remembers this request. Ask the other replicas, or look in the log:\n  grep '"id":"${id}"'\n`,
      );
      return EXIT.failed;
    }
    show(io, options.json, { ...request, advice: adviceOn(request) }, whyText(request));
    return EXIT.ok;
  },
});

const isAnswer = (value: unknown): value is { readonly request: RecentRequest | null } =>
  typeof value === 'object' && value !== null && 'request' in value && isRequest(value.request);

const isRequest = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && 'status' in value && 'listener' in value && 'time' in value);
