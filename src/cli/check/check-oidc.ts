/** `sallyport check oidc`: asks an identity provider whether the configuration fits. */

import { ConfigFault } from '../../errors.ts';
import { type CliIo, defineCommand, EXIT, UsageFault } from '../command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION, loadConfiguration } from '../io/configuration.ts';
import { show } from '../io/output.ts';
import { type Finding, VERDICT_MARKS } from './finding.ts';

/** `sallyport check oidc`. */
export const checkOidc = defineCommand({
  name: 'check oidc',
  summary: 'Check the settings of an identity provider with the provider itself',
  description: [
    'Reads the metadata and keys of a provider in login.oidc, and reports line by line what it supports and which settings will not work: issuer, certificate, clock, algorithms, PKCE, pushed authorization requests, response mode, client authentication, scopes, claims, logout.',
    'Then it makes two requests as the gateway would. An authorization request that logs nobody in (prompt=none) shows whether the redirect URI of each public origin is registered; an invented code shows whether the secret or key is accepted. Some providers reveal neither before a login; the line then says so. Nothing changes at the provider, which may log the failed requests.',
  ],
  args: [{ name: 'NAME', description: 'Name of the provider in login.oidc.' }],
  options: {
    login: {
      type: 'boolean',
      description:
        'Also ask you to log in, and show the names and types of your claims and what the gateway derives from them. Opens no session.',
    },
    config: CONFIG_OPTION,
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport check oidc corporate', 'Before the first login'],
    ['sallyport check oidc corporate --login', 'Which claims you get, and whether allow admits you'],
    ['sallyport check oidc corporate --json', 'In a job that runs every day: certificates and secrets expire'],
  ],
  exit: {
    ok: 'no setting is known to fail',
    failed: 'a setting will not work, or the provider cannot be asked',
  },
  async run({ options, args, io }) {
    const name = args[0] ?? '';
    const path = configPath(options.config, io);
    if (path === '-' && options.login)
      throw new UsageFault('the configuration and the address of a login cannot both be on standard input');
    const asked = await readAsked(name, path, io);
    const { providerFindings } = await import('./provider-report.ts');
    const findings = await providerFindings({ ...asked, person: options.login ? io : null }, io.clocks);
    const isUsable = findings.every(({ verdict }) => verdict !== 'failure');
    show(io, options.json, { provider: name, usable: isUsable, findings }, textOf(name, findings));
    return isUsable ? EXIT.ok : EXIT.failed;
  },
});

/** The provider of a name, with its secret and its redirect URIs. Other files of the configuration are not needed. */
async function readAsked(name: string, path: string, io: CliIo) {
  const { loaded } = await loadConfiguration(path, io, true);
  const { login, publicOrigin, basePath } = loaded.config;
  const providers = login?.oidc ?? [];
  const loginOrigins = login?.origin === undefined ? publicOrigin : [login.origin];
  const index = providers.findIndex((provider) => provider.name === name);
  const config = providers[index];
  if (config === undefined) {
    const known = providers.map((provider) => provider.name).join(', ');
    throw new UsageFault(`no identity provider "${name}" in login.oidc of ${path}${known && `: it has ${known}`}`);
  }
  const { FileReader } = await import('../../config/files/named-files.ts');
  const { readProvider } = await import('../../endpoints/login/oidc/client-credential.ts');
  const { withPreset } = await import('../../endpoints/login/oidc/settings.ts');
  const { redirectUri } = await import('../../endpoints/login/oidc/flow/start-login.ts');
  const reader = new FileReader(io.clocks);
  const files = await readProvider(['login', 'oidc', index], config, reader);
  if (reader.mistakes.length > 0) throw new ConfigFault(reader.mistakes.map(({ message }) => message).join('\n'));
  const settings = withPreset(config);
  return {
    settings,
    files,
    redirectUris: loginOrigins.map((origin) => redirectUri(origin, basePath, settings)),
  };
}

function textOf(name: string, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ about }) => about.length));
  const lines = findings.map(
    ({ verdict, about, text }) => `${VERDICT_MARKS[verdict].padEnd(7)}  ${about.padEnd(width)}  ${text}\n`,
  );
  const failed = findings.filter(({ verdict }) => verdict === 'failure').length;
  return `${lines.join('')}${name}: ${failed === 0 ? 'no setting prevents logins' : `${failed} will not work`}\n`;
}
