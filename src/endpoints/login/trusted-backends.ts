/**
 * Backends that may open sessions for users whom they have authenticated. Each presents a secret by HTTP Basic
 * (RFC 7617) or a service token of its own; a cookie is never looked at.
 */

import { hash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ServiceTokens } from '../../authentication/service-token/service-tokens.ts';
import { ConfigFault, Denial } from '../../errors.ts';
import type { TrustedBackendConfig } from './section.ts';

const unauthorized = (note: string) => new Denial('client_unauthorized', note);
const MISSING = unauthorized('no Authorization header');
const BAD_FORM = unauthorized('Authorization is neither Basic nor Bearer, or there is no backend of that kind');
const WRONG_SECRET = unauthorized('no backend has that id and secret');
const NOT_LISTED = unauthorized('service is not one of the trusted backends');

const MIN_SECRET_LENGTH = 32;

/** RFC 7617 §2: the scheme, case-insensitive, one space, base64. */
const BASIC = /^basic ([A-Za-z0-9+/]+={0,2})$/i;

interface ServiceBackend {
  readonly id: string;
  readonly issuer: string;
  readonly subjects: ReadonlySet<string>;
}

const digest = (secret: string) => hash('sha256', secret, 'buffer');

export class TrustedBackends {
  /** SHA-256 of the secrets, by id. */
  readonly #secrets: ReadonlyMap<string, Buffer>;
  readonly #services: readonly ServiceBackend[];
  readonly #issuers: ReadonlySet<string>;
  readonly #serviceTokens: ServiceTokens;

  private constructor(
    secrets: ReadonlyMap<string, Buffer>,
    services: readonly ServiceBackend[],
    serviceTokens: ServiceTokens,
  ) {
    this.#secrets = secrets;
    this.#services = services;
    this.#issuers = new Set(services.map(({ issuer }) => issuer));
    this.#serviceTokens = serviceTokens;
  }

  /**
   * Reads the secrets.
   *
   * @throws ConfigFault when a file cannot be read or its secret is too short
   */
  static async load(backends: readonly TrustedBackendConfig[], serviceTokens: ServiceTokens): Promise<TrustedBackends> {
    const secrets = new Map<string, Buffer>();
    const services: ServiceBackend[] = [];
    for (const { id, clientSecretFile, service } of backends) {
      if (clientSecretFile !== undefined) secrets.set(id, digest(await readBackendSecret(clientSecretFile)));
      if (service !== undefined) services.push({ id, issuer: service.issuer, subjects: new Set(service.subjects) });
    }
    return new TrustedBackends(secrets, services, serviceTokens);
  }

  /**
   * Finds out which backend makes a request.
   *
   * @param authorization  value of the Authorization header, untrusted
   * @returns its id, or a Denial `client_unauthorized` | `token_invalid`
   */
  async authenticate(authorization: string | null): Promise<string | Denial> {
    if (authorization === null) return MISSING;
    const basic = BASIC.exec(authorization)?.[1];
    if (basic !== undefined) return this.#bySecret(basic);
    return this.#issuers.size === 0 ? BAD_FORM : this.#byToken(authorization);
  }

  #bySecret(encoded: string): string | Denial {
    const bytes = Buffer.from(encoded, 'base64');
    // One spelling of a credential: what a lenient decoder would drop is refused.
    if (bytes.toString('base64') !== encoded) return BAD_FORM;
    const pair = bytes.toString('utf8');
    const colon = pair.indexOf(':');
    const id = pair.slice(0, Math.max(0, colon));
    const expected = this.#secrets.get(id);
    if (expected === undefined || !timingSafeEqual(digest(pair.slice(colon + 1)), expected)) return WRONG_SECRET;
    return id;
  }

  async #byToken(authorization: string): Promise<string | Denial> {
    const service = await this.#serviceTokens.authenticate(authorization, this.#issuers);
    if (service instanceof Denial) return service;
    const { issuer, subject } = service;
    const backend = this.#services.find((candidate) => candidate.issuer === issuer && candidate.subjects.has(subject));
    return backend?.id ?? NOT_LISTED;
  }
}

/**
 * Reads the secret of a backend.
 *
 * @throws ConfigFault when it cannot be read or is too short
 */
export async function readBackendSecret(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ConfigFault(`${path} cannot be read`, { cause });
  }
  const secret = text.replace(/\r?\n$/, '');
  if (secret.length >= MIN_SECRET_LENGTH) return secret;
  throw new ConfigFault(`${path} has a secret of less than ${MIN_SECRET_LENGTH} characters`);
}
