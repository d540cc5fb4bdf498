/**
 * The section `store.redis`, ready for use. Passwords and TLS files are read again for every connection, so a rotated
 * one takes effect without a restart (RDS-12).
 */

import type { ConnectionOptions } from 'node:tls';
import { faultAt, readCa, readPair } from '../../../config/files/named-files.ts';
import { readSecret } from '../../../config/files/secret-file.ts';
import { ConfigFault } from '../../../errors.ts';
import { counted } from '../../../lib/text/counted.ts';
import { contradictions } from '../rules.ts';
import type { RedisConfig } from '../section.ts';
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
    const [contradiction] = contradictions(config);
    if (contradiction !== undefined) throw new ConfigFault(contradiction.message, { key: contradiction.key });
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
   * @throws ConfigFault with the key of the file when one of them cannot be read or used
   */
  async readSecrets(): Promise<Secrets> {
    const { passwordFile, sentinelPasswordFile, username } = this.#config;
    const { address } = this;
    const [filePassword, sentinelPassword, tls] = await Promise.all([
      readNamed('passwordFile', passwordFile, readSecret),
      readNamed('sentinelPasswordFile', sentinelPasswordFile, readSecret),
      address.isTls ? this.#readTls() : null,
    ]);
    const password = filePassword ?? address.password;
    const login = password === null ? null : { username: username ?? address.username ?? DEFAULT_USER, password };
    return { login, sentinelPassword, tls };
  }

  async #readTls(): Promise<ConnectionOptions> {
    const { caFile, certFile, keyFile, serverName } = this.#config.tls ?? {};
    const [ca, pair] = await Promise.all([
      readNamed('tls.caFile', caFile, readCa),
      certFile !== undefined && keyFile !== undefined && readPair([...KEY, 'tls'], { certFile, keyFile }),
    ]);
    return {
      minVersion: 'TLSv1.2',
      ...(ca !== null && { ca }),
      ...pair,
      ...(serverName !== undefined && { servername: serverName }),
    };
  }
}

const KEY = ['store', 'redis'] as const;

/** Adds the key that names the file to the message, because connections are opened much later. */
async function readNamed(
  key: 'passwordFile' | 'sentinelPasswordFile' | 'tls.caFile',
  path: string | undefined,
  read: (path: string) => Promise<string>,
): Promise<string | null> {
  if (path === undefined) return null;
  return read(path).catch((thrown: unknown) => Promise.reject(faultAt([...KEY, ...key.split('.')], thrown)));
}
