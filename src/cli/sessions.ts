import type { SessionSummary } from '../admin/control.ts';
import { defineCommand, EXIT, UsageFault } from './command.ts';
import { ADMIN_API_OPTIONS, callAdmin, findAdmin, hasList, hasStrings, requireShape } from './io/admin-client.ts';
import { JSON_OPTION } from './io/configuration.ts';
import { formatTable, show, withoutControls } from './io/output.ts';

/** `sallyport sessions list`. */
export const sessionsList = defineCommand({
  name: 'sessions list',
  summary: 'List the sessions of a user',
  description: ['Uses the admin API of a running gateway. A handle names a session and cannot be used to log in.'],
  args: [{ name: 'SUBJECT', description: 'The `sub` of the user.' }],
  options: { ...ADMIN_API_OPTIONS, json: JSON_OPTION },
  examples: [['sallyport sessions list alice', 'Where Alice is logged in']],
  exit: { ok: 'listed', failed: 'the gateway cannot be asked, or refuses' },
  async run({ options, args, io }) {
    const place = await findAdmin(options, io);
    const path = `/api/sessions?subject=${encodeURIComponent(args[0] ?? '')}`;
    const answer = await callAdmin('GET', path, place);
    const { sessions } = requireShape(answer, isSessionList, place);
    const table = formatTable(sessions, {
      HANDLE: ({ handle }) => handle,
      METHOD: ({ method }) => method,
      CREATED: ({ createdAt }) => createdAt,
      'LAST SEEN': ({ lastSeenAt }) => lastSeenAt,
      EXPIRES: ({ expiresAt }) => expiresAt,
      DEVICE: ({ device }) => withoutControls(device),
    });
    show(io, options.json, sessions, table);
    return EXIT.ok;
  },
});

/** `sallyport sessions revoke`. */
export const sessionsRevoke = defineCommand({
  name: 'sessions revoke',
  summary: 'End one session, or all sessions of a user, on every replica',
  description: [
    'Uses the admin API of a running gateway. Verifiers with the same store refuse existing upstream tokens within a second; others accept them until they expire.',
  ],
  args: [{ name: 'HANDLE', isOptional: true, description: 'Handle of a session, from "sessions list".' }],
  options: {
    ...ADMIN_API_OPTIONS,
    subject: { type: 'string', value: 'SUBJECT', description: 'All sessions of this user, instead of one.' },
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport sessions revoke --subject alice', 'Log Alice out everywhere'],
    ['sallyport sessions revoke 7PhQ6unHYLMf49FT9ZCzI-_tlKDgcQC9O4nPrUxZOfY', 'One session'],
  ],
  exit: { ok: 'ended, or none was open', failed: 'the gateway cannot be asked, or refuses' },
  async run({ options, args, io }) {
    const [handle] = args;
    if ((handle === undefined) === (options.subject === undefined)) {
      throw new UsageFault('give either a HANDLE or --subject');
    }
    const place = await findAdmin(options, io);
    const path =
      handle === undefined
        ? `/api/sessions?subject=${encodeURIComponent(options.subject ?? '')}`
        : `/api/sessions/${encodeURIComponent(handle)}`;
    const answer = await callAdmin('DELETE', path, place);
    const { revoked } = requireShape(answer, isRevocation, place);
    const lines = revoked.length === 0 ? 'no session was open\n' : revoked.map((ended) => `ended ${ended}\n`).join('');
    show(io, options.json, { revoked }, lines);
    return EXIT.ok;
  },
});

const SUMMARY = ['handle', 'subject', 'method', 'device', 'createdAt', 'lastSeenAt', 'expiresAt', 'idleExpiresAt'];

const isSessionList = (answer: unknown): answer is { readonly sessions: readonly SessionSummary[] } =>
  hasList(answer, 'sessions', (session) => hasStrings(session, SUMMARY));

const isRevocation = (answer: unknown): answer is { readonly revoked: readonly string[] } =>
  hasList(answer, 'revoked', (handle) => typeof handle === 'string');
