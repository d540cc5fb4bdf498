/**
 * oauth2-proxy: turns the configuration of an oauth2-proxy into one of the gateway, with comments that say where each part comes from,
 * and a report of what could not be carried over. It admits nobody who could not get in before: what has no equivalent is closed.
 *
 * Input: texts of files. Output: YAML, a report, and the secrets that become files. Fails with a ConfigFault for what oauth2-proxy
 * would refuse.
 */

import { writeAccess } from './access.ts';
import { writeTokens } from './bearer.ts';
import { ConfigDraft, type ImportOutput } from './draft.ts';
import { readHeaders } from './headers.ts';
import { type OldConfiguration, type OldHeader, type OldProvider, readModel } from './model.ts';
import { optionOf } from './options/table.ts';
import { readPlaces } from './places.ts';
import { kindOf, writeClaims, writeProvider, writeRevalidation } from './provider.ts';
import { PROVIDER_KINDS } from './provider-kinds.ts';
import { type GivenFile, readSources } from './read/files.ts';
import { Report } from './report.ts';
import { writeRoutes } from './routes.ts';
import { type SecretFile, SecretStore } from './secrets.ts';
import { writeListeners, writeLogsAndPages, writeOrigin } from './server.ts';
import { writeSession } from './session.ts';
import { isDefault, Settings } from './settings.ts';

/** How to import. */
export interface ImportOptions {
  /** Public origins; none: what `redirect_url` says. */
  readonly origins: readonly string[];
  /** Where files with secrets are going to be; `null`: the user writes them. */
  readonly secretsDirectory: string | null;
  /** Reads a file that the configuration names; `null` where it cannot. */
  readonly readNamed: (path: string) => string | null;
}

/** What an import gives. */
export interface Imported {
  readonly yaml: string;
  readonly report: string;
  /** How many options, or parts of options, were not carried over. */
  readonly dropped: number;
  readonly secrets: readonly SecretFile[];
}

/**
 * Imports a configuration.
 *
 * @throws ConfigFault when it cannot be read
 */
export async function importOauth2Proxy(files: readonly GivenFile[], options: ImportOptions): Promise<Imported> {
  const sources = await readSources(files);
  const report = new Report();
  const draft = new ConfigDraft();
  const secrets = new SecretStore(options.secretsDirectory, report);
  for (const note of sources.notes) report.todo(note);
  const old = readModel(sources, report);
  write(old, { options, report, draft, secrets });
  reportTheRest(old, draft, report);
  const names = files.map(({ name }) => name).join(', ');
  const yaml = await draft.text([
    `Made from ${names} by "sallyport import oauth2-proxy".`,
    'A comment behind a key says which option of oauth2-proxy it comes from.',
  ]);
  return { yaml, report: report.text(draft.carriedCount), dropped: report.droppedCount, secrets: secrets.files };
}

interface Parts extends ImportOutput {
  readonly options: ImportOptions;
}

function write(old: OldConfiguration, parts: Parts): void {
  const { options, report, draft, secrets } = parts;
  const { settings } = old;
  dropIgnored(old, report);
  const server = { settings, draft, report };
  draft.set(['version'], 1);
  writeOrigin(server, options.origins);
  writeListeners(server);
  writeSession({ settings, draft, report, secrets });
  writeLogsAndPages(server);
  writePasswords(settings, parts);
  const [provider = { settings: new Settings(), id: null, parameters: [] }, ...others] = old.providers;
  for (const { settings: more } of others)
    for (const setting of more.all) report.dropped(setting, 'oauth2-proxy uses the first provider only.');
  writeLoginAndRoutes(old, provider, parts);
}

/** Options that oauth2-proxy looks at only with another provider. */
function dropIgnored({ providers }: OldConfiguration, report: Report): void {
  for (const { settings } of providers) {
    const type = settings.text('provider') ?? 'google';
    for (const setting of settings.all) {
      const onlyWith = optionOf(setting.key)?.onlyWith;
      if (onlyWith === undefined || onlyWith.includes(type)) continue;
      settings.remove(setting.key);
      if (!isDefault(setting)) report.dropped(setting, `oauth2-proxy uses it only with ${onlyWith.join(' or ')}.`);
    }
  }
}

function writeLoginAndRoutes(
  old: OldConfiguration,
  provider: OldProvider,
  { options, report, draft, secrets }: Parts,
): void {
  const { settings } = old;
  const known = kindOf(provider.settings);
  const kind = known ?? { name: 'none', user: 'sub' };
  const at = ['login', 'oidc', 0];
  const entry = { kind, provider, draft: known === null ? new ConfigDraft() : draft, report, secrets, at };
  const type = provider.settings.get('provider');
  if (known === null && type !== null) {
    report.dropped(type, `The gateway cannot log in there. It knows ${Object.keys(PROVIDER_KINDS).join(', ')}.`);
  } else writeProvider(entry);
  if (known?.note !== undefined && type !== null) report.different(type, known.note);
  const emailsFile = settings.text('authenticated_emails_file');
  const emails = emailsFile === null ? null : readEmails(options.readNamed(emailsFile));
  const access = writeAccess({ ...entry, provider: provider.settings, core: settings, emails });
  const read = (headers: readonly OldHeader[]) => readHeaders(headers, kind, entry);
  const forwarded = read(old.requestHeaders);
  const asked = read(old.responseHeaders.filter(({ claim }) => claim !== null));
  const answers = read(old.responseHeaders.filter(({ claim }) => claim === null));
  draft.carry(settings.get('pass_user_headers'), settings.get('pass_basic_auth'));
  for (const origin of [...forwarded.origins, ...asked.origins, ...answers.origins])
    if (origin.file !== '') draft.carry(origin);
  writeClaims(entry, access, {
    attributes: { ...forwarded.attributes, ...asked.attributes },
    needsGroups: forwarded.needsGroups || asked.needsGroups,
  });
  if (known !== null) writeRevalidation(entry, settings);
  draft.putLast([...at, 'allow']);
  const upstreams = old.upstreams.length > 0 ? old.upstreams : [ASKED_ONLY];
  const places = readPlaces(upstreams, report);
  if (places.some(({ isAsked }) => isAsked) || Object.keys(asked.identity).length > 0)
    writeAuthorizer(old, { draft, report });
  const issuers = writeTokens({ settings, provider: provider.settings, kind, access, draft, report });
  writeRoutes({ settings, places, draft, report, rule: access.routeRule, forwarded, asked, answers, issuers });
  if (old.upstreams.length === 0)
    report.todo(
      'No `upstreams` were found: the configuration is for a proxy that asks. Add upstreams if the gateway should forward.',
    );
}

/** An oauth2-proxy without upstreams answers questions only. */
const ASKED_ONLY = {
  path: '/',
  rewriteTarget: null,
  uri: null,
  passesHost: true,
  proxiesWebSockets: true,
  timeoutMs: null,
  skipsVerification: false,
  origin: { name: 'no upstreams', file: '' },
  origins: { host: null, webSockets: null, timeout: null, verification: null },
};

function writeAuthorizer(
  { responseHeaders }: OldConfiguration,
  { draft, report }: Pick<Parts, 'draft' | 'report'>,
): void {
  const [origin = 'a proxy asks'] = responseHeaders.map((header) => header.origin);
  draft.set(['listeners', 'authorizer', 'address'], '127.0.0.1:4181', origin);
  draft.set(['listeners', 'authorizer', 'peers'], ['127.0.0.1'], 'SET THIS: the addresses of the proxies that ask');
  report.todo(
    'Set `listeners.authorizer` to an address that your proxy reaches, and `peers` to the addresses of that proxy; it asks there (`/auth-request` for nginx), not at `/oauth2/auth`.',
  );
}

/** One address in each line, as oauth2-proxy reads them. */
function readEmails(text: string | null): readonly string[] | null {
  if (text === null) return null;
  const first = text.split('\n').map((line) => (line.split(',')[0] ?? '').trim().replaceAll('"', ''));
  return [...new Set(first.filter((address) => address !== '' && !address.startsWith('#')))];
}

function writePasswords(settings: Settings, { options, draft, report }: Parts): void {
  const origin = settings.get('htpasswd_file');
  if (origin === null) return;
  draft.set(['login', 'password', 'usersFile'], 'users.yaml', origin);
  report.different(origin, 'Its hashes cannot be carried over: each user needs a new password.');
  const names = (options.readNamed(origin.value) ?? '')
    .split('\n')
    .flatMap((line) => /^([^:#\s][^:]*):/.exec(line)?.[1] ?? []);
  const groups = settings.list('htpasswd_user_groups');
  const written = settings.get('htpasswd_user_groups');
  draft.carry(written);
  for (const name of names.length > 0 ? names : ['NAME'])
    report.todo(
      `\`sallyport users add ${name} --file users.yaml${groups.length > 0 ? ` --attribute groups=${groups[0]}` : ''}\``,
    );
  if (groups.length > 1)
    report.different(
      written ?? origin,
      '`--attribute` takes one group. Write a list into `users.yaml` for more: `attributes: { groups: […] }`.',
    );
}

/** Reports the options that nothing above has used: those without an equivalent, and those that need none. */
function reportTheRest({ settings, providers }: OldConfiguration, draft: ConfigDraft, report: Report): void {
  const all = new Set(
    [settings, ...providers.slice(0, 1).map((provider) => provider.settings)].flatMap((some) => some.all),
  );
  for (const setting of all) {
    const row = optionOf(setting.key);
    if (row === null || isDefault(setting) || draft.hasCarried(setting) || report.mentions(setting)) continue;
    if (row.becomes === 'builtIn' && row.contrary !== setting.value) draft.carry(setting);
    else report.dropped(setting, row.text);
  }
}
