/** Everything that `sallyport check oidc` finds out about one identity provider. */

import type { ProviderFiles } from '../../endpoints/login/oidc/client-credential.ts';
import { ID_TOKEN_ALGORITHMS, metadataUrl } from '../../endpoints/login/oidc/metadata.ts';
import { IdentityProvider } from '../../endpoints/login/oidc/provider.ts';
import { ProviderSeries } from '../../endpoints/login/oidc/series.ts';
import type { ProviderSettings } from '../../endpoints/login/oidc/settings.ts';
import { keptTokens } from '../../endpoints/login/oidc/tokens/provider-tokens.ts';
import { readKeySet } from '../../jwt/verification-keys.ts';
import type { Clocks } from '../../lib/clock.ts';
import { Turns } from '../../lib/concurrency/turns.ts';
import { hasDuplicateMember } from '../../lib/text/json.ts';
import { createLog } from '../../telemetry/log.ts';
import { MetricRegistry } from '../../telemetry/registry.ts';
import type { CliIo } from '../command.ts';
import { credentialFinding, redirectUriFinding } from './client-requests.ts';
import { type Finding, failure, listed, note, ok, printable, warn } from './finding.ts';
import { type MetadataDocument, metadataFindings } from './metadata-checks.ts';
import { certificateFinding, clientCertificateFinding, clockFinding, get, type Reach } from './provider-fetch.ts';
import { testLogin } from './test-login.ts';

/** What is asked about. */
export interface CheckedProvider {
  readonly settings: ProviderSettings;
  readonly files: ProviderFiles;
  /** One for each public origin. */
  readonly redirectUris: readonly string[];
  /** Where the user is asked to log in; `null` if nobody is. */
  readonly person: Pick<CliIo, 'stdin' | 'stderr' | 'clocks'> | null;
}

/** Asks a provider. Rejects only for faults of this program. */
export async function providerFindings(asked: CheckedProvider, clocks: Clocks): Promise<readonly Finding[]> {
  const { settings, files } = asked;
  const { ca, certificate } = files;
  const reach = { timeoutMs: settings.timeoutMs, ca, certificate };
  const own = certificate?.cert ?? files.assertionKey?.certificate ?? null;
  const found = [
    ...(settings.endpoints === null ? await discoveryFindings(asked, reach, clocks) : [fixedEndpoints(settings)]),
    ...(own === null ? [] : [clientCertificateFinding(own, clocks.wallMs())]),
  ];
  // As a client, the gateway would not get further.
  if (found.some(({ about, verdict }) => verdict === 'failure' && STOPPERS.includes(about))) return found;
  return [...found, ...(await clientFindings(asked, reach, clocks))];
}

const STOPPERS = ['metadata', 'issuer', 'endpoints', 'flow', 'PKCE', 'ID token', 'keys'];

const fixedEndpoints = ({ endpoints }: ProviderSettings): Finding =>
  note('metadata', `none: the configuration has the endpoints (${Object.keys(endpoints ?? {}).join(', ')})`);

async function discoveryFindings(
  { settings, files }: CheckedProvider,
  reach: Reach,
  clocks: Clocks,
): Promise<readonly Finding[]> {
  const url = metadataUrl(settings.issuer as string);
  const certificate = await certificateFinding(url, reach, clocks);
  const read = await readDocument('metadata', url, reach);
  if (!('document' in read)) return [read, certificate];
  const { document, dateMs } = read;
  const credential = {
    hasSecret: files.secret !== null,
    assertionAlgorithm: files.assertionKey?.algorithm ?? null,
    hasCertificate: files.certificate !== null,
  };
  return [
    ok('metadata', url),
    certificate,
    clockFinding(dateMs, clocks.wallMs(), settings.clockSkewMs),
    ...metadataFindings(document, settings, credential),
    await keysFinding(document['jwks_uri'], reach),
  ];
}

interface ReadDocument {
  readonly document: MetadataDocument;
  readonly dateMs: number | null;
}

async function readDocument(about: string, url: string, reach: Reach): Promise<ReadDocument | Finding> {
  try {
    const { status, text, dateMs } = await get(url, reach, 'application/json');
    if (status !== 200) return failure(about, `${url}: status ${status}`);
    const document: unknown = JSON.parse(text);
    if (typeof document !== 'object' || document === null || Array.isArray(document))
      return failure(about, `${url}: not a JSON object`);
    if (hasDuplicateMember(text, document)) return failure(about, `${url}: a member comes twice`);
    return { document: document as MetadataDocument, dateMs };
  } catch (thrown) {
    return failure(about, `${url}: ${thrown instanceof SyntaxError ? 'not JSON' : (thrown as Error).message}`);
  }
}

async function keysFinding(uri: unknown, reach: Reach): Promise<Finding> {
  if (typeof uri !== 'string' || !URL.canParse(uri)) return failure('keys', 'the metadata do not say where they are');
  const read = await readDocument('keys', uri, reach);
  if (!('document' in read)) return { ...read, text: printable(read.text) };
  const rules = { algorithms: ID_TOKEN_ALGORITHMS, use: 'sig' } as const;
  try {
    const { keys, refused } = await readKeySet(read.document, rules);
    const reasons = printable([...new Set(refused)].join('; '));
    if (keys.length === 0) return failure('keys', `none can be used${reasons && `: ${reasons}`}`);
    const usable = `${keys.length} for ${listed([...new Set(keys.flatMap((key) => [...key.byAlgorithm.keys()]))])}`;
    return reasons === '' ? ok('keys', usable) : warn('keys', `${usable}; others cannot be used: ${reasons}`);
  } catch (thrown) {
    return failure('keys', (thrown as Error).message);
  }
}

async function clientFindings(asked: CheckedProvider, reach: Reach, clocks: Clocks): Promise<readonly Finding[]> {
  const provider = new IdentityProvider(asked.settings, keptTokens(asked.settings, false), asked.files, {
    clocks,
    log: createLog('silent', { write: () => {} }),
    series: new ProviderSeries(new MetricRegistry()),
    turns: new Turns(clocks.monotonicMs),
  });
  try {
    const found: Finding[] = [];
    for (const uri of asked.redirectUris) found.push(await redirectUriFinding(provider, uri, reach));
    const redirectUri = asked.redirectUris[0] as string;
    found.push(await credentialFinding(provider, redirectUri));
    if (asked.person === null || found.some(({ verdict }) => verdict === 'failure')) return found;
    return [...found, ...(await testLogin(provider, redirectUri, asked.person))];
  } finally {
    await provider.close();
  }
}
