/**
 * The section `store.redis`, ready for use. Passwords and TLS files are read again for every connection, so a rotated
 * one takes effect without a restart (RDS-12).
 */

import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { ConfigFault } from '../../errors.ts';
import { counted } from '../../lib/counted.ts';
import { NOT_A_CERTIFICATE, pairProblem, readCertificates } from '../../lib/pem.ts';
import type { RedisConfig } from './section.ts';
import { parseRedisUrl, type RedisAddress } from './url.ts';

/** The secrets for a connection; kept only while it is opened. */
export interface Secrets {
  /** `null` when no password is configured. */
  readonly login: { readonly username: string; readonly password: string } | null;
  readonly sentinelPassword: string | null;
  /** `null` without TLS. */
  readonly tls: ConnectionOptions | null;
}

/** The user name of Redis for a password without a user. */
const DEFAULT_USER = 'default';

/** The settings of one Redis. */
export class RedisSettings {
  readonly address: RedisAddress;
  readonly keyPrefix: string;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly #config: RedisConfig;

  /** @throws ConfigFault when the URL is malformed or contradicts the keys beside it */
  constructor(config: RedisConfig) {
    this.#config = config;
    this.address = parseRedisUrl(config.url);
    this.keyPrefix = config.keyPrefix;
    this.connectTimeoutMs = config.connectTimeout;
    this.commandTimeoutMs = config.commandTimeout;
    checkAgreement(config, this.address);
  }

  /** For the line that is printed at start. Never a password. */
  get description(): string {
    const { topology, nodes, primaryName } = this.address;
    const [first] = nodes;
    if (topology === 'cluster') return `redis cluster (${counted(nodes.length, 'node')})`;
    if (topology === 'sentinel') return `redis sentinel (${counted(nodes.length, 'sentinel')}, primary ${primaryName})`;
    return `redis (${first?.host}:${first?.port})`;
  }

  /**
   * Reads the files that the configuration names.
   *
   * @throws ConfigFault when one of them cannot be read or is empty
   */
  async readSecrets(): Promise<Secrets> {
    const { passwordFile, sentinelPasswordFile, username } = this.#config;
    const { address } = this;
    const [filePassword, sentinelPassword, tls] = await Promise.all([
      readPassword('passwordFile', passwordFile),
      readPassword('sentinelPasswordFile', sentinelPasswordFile),
      address.isTls ? this.#readTls() : null,
    ]);
    const password = filePassword ?? address.password;
    const login = password === null ? null : { username: username ?? address.username ?? DEFAULT_USER, password };
    return { login, sentinelPassword, tls };
  }

  async #readTls(): Promise<ConnectionOptions> {
    const { caFile, certFile, keyFile, serverName } = this.#config.tls ?? {};
    const [ca, cert, key] = await Promise.all([
      readNamed('tls.caFile', caFile),
      readNamed('tls.certFile', certFile),
      readNamed('tls.keyFile', keyFile),
    ]);
    if (ca !== null && readCertificates(ca) === null) throw unusable('caFile', caFile, NOT_A_CERTIFICATE);
    if (cert !== null && key !== null) {
      const problem = pairProblem(cert, key);
      if (problem !== null) throw unusable(problem.of, problem.of === 'certFile' ? certFile : keyFile, problem.what);
    }
    return {
      minVersion: 'TLSv1.2',
      ...(ca !== null && { ca }),
      ...(cert !== null && { cert }),
      ...(key !== null && { key }),
      ...(serverName !== undefined && { servername: serverName }),
    };
  }
}

const unusable = (file: 'caFile' | 'certFile' | 'keyFile', path: string | undefined, what: string) =>
  new ConfigFault(`store.redis.tls.${file}: ${path} ${what}`, { key: ['store', 'redis', 'tls', file] });

function checkAgreement(config: RedisConfig, address: RedisAddress): void {
  if (config.passwordFile !== undefined && address.password !== null) {
    throw new ConfigFault('store.redis has a password in its url and a passwordFile: leave one out');
  }
  if (config.username !== undefined && address.username !== null && config.username !== address.username) {
    throw new ConfigFault('store.redis has one user in its url and another in username: leave one out');
  }
  const hasUser = config.username !== undefined || address.username !== null;
  if (hasUser && config.passwordFile === undefined && address.password === null) {
    throw new ConfigFault('store.redis has a user but no password: add one to its url, or a passwordFile');
  }
  if (config.sentinelPasswordFile !== undefined && address.topology !== 'sentinel') {
    throw new ConfigFault('store.redis.sentinelPasswordFile is for redis+sentinel:// URLs');
  }
  if (config.tls !== undefined && !address.isTls) {
    throw new ConfigFault('store.redis.tls is for rediss:// URLs: with redis:// nothing is encrypted');
  }
  if ((config.tls?.certFile === undefined) !== (config.tls?.keyFile === undefined)) {
    throw new ConfigFault('store.redis.tls has one of certFile and keyFile: a client certificate needs both');
  }
}

async function readPassword(key: string, path: string | undefined): Promise<string | null> {
  const text = await readNamed(key, path);
  const password = text?.replace(/\r?\n$/, '') ?? null;
  if (password === '') throw new ConfigFault(`store.redis.${key} is empty`, { key: ['store', 'redis', key] });
  return password;
}

async function readNamed(key: string, path: string | undefined): Promise<string | null> {
  if (path === undefined) return null;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new ConfigFault(`store.redis.${key} cannot be read: ${path}: ${code}`);
  }
}
