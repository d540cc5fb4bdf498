/**
 * authentication/client: which client makes a request, for the token endpoint and for the login of trusted backends.
 *
 * Input: the credential that a request presents: a secret (`client_secret_basic`), an assertion signed with the client's own
 * key (`private_key_jwt`), or a service token of an issuer. Output: the id of a client. Every failure gets the same answer;
 * what was wrong is in the Denial's note. Guessing is slowed. Fails with 503 when the store or an issuer's keys are
 * unavailable. Does not decide what the client may do.
 *
 * A certificate (RFC 8705) would be one more case of `PresentedCredential`, and one more branch of `authenticate`.
 */

import { hash, timingSafeEqual } from 'node:crypto';
import type { FileReader } from '../../config/files/named-files.ts';
import { MIN_SECRET_LENGTH, readJson, readSecret } from '../../config/files/secret-file.ts';
import type { KeyPath } from '../../config/findings/problem.ts';
import { Denial } from '../../errors.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import type { ServicePrincipal } from '../../principal.ts';
import { fixedKeySet } from '../service-token/fixed-keys.ts';
import type { ServiceTokens } from '../service-token/service-tokens.ts';
import { type AssertingClient, type ClientAssertions, decodeAssertion } from './client-assertion.ts';
import type { FailedAttempts } from './failed-attempts.ts';
import type { PresentedCredential } from './presented-credential.ts';
import type { ClientCredentialsConfig } from './section.ts';

/** How one client authenticates, with its files read: at least one of the three. */
export interface KnownClient {
  readonly id: string;
  /** SHA-256. */
  readonly secretDigest: Buffer | null;
  /** What it signs assertions with. */
  readonly keys: KeySet | null;
  readonly algorithms: readonly string[];
  readonly service: ClientCredentialsConfig['service'];
}

interface ClientParts {
  readonly serviceTokens: Pick<ServiceTokens, 'authenticate'>;
  /** `null` where no client signs assertions. */
  readonly assertions: ClientAssertions | null;
  readonly failedAttempts: FailedAttempts;
}

interface ServiceClient {
  readonly id: string;
  readonly issuer: string;
  readonly subjects: ReadonlySet<string>;
}

const unauthorized = (note: string) => new Denial('client_unauthorized', note);
const WRONG_SECRET = unauthorized('no client has that id and secret');
const NO_ASSERTING_CLIENT = unauthorized('assertion: iss is neither a client with keys nor an issuer of one');
const NO_SERVICE_CLIENT = unauthorized('service token is not that of a client');
const FOR_A_USER = unauthorized(
  'service token stands for a user, names an actor, or is about another issuer’s subject',
);

const digest = (secret: string) => hash('sha256', secret, 'buffer');
/** Compared with for unknown ids, so that they cost the same as known ones. No input has this digest. */
const NO_SECRET = Buffer.alloc(32);

/** The clients of one endpoint. */
export class Clients {
  /** SHA-256 of the secrets, by client id. */
  readonly #secrets: ReadonlyMap<string, Buffer>;
  readonly #asserting: ReadonlyMap<string, AssertingClient>;
  readonly #services: readonly ServiceClient[];
  readonly #issuers: ReadonlySet<string>;
  readonly #parts: ClientParts;

  constructor(clients: readonly KnownClient[], parts: ClientParts) {
    const secrets = new Map<string, Buffer>();
    const asserting = new Map<string, AssertingClient>();
    const services: ServiceClient[] = [];
    for (const { id, secretDigest, keys, algorithms, service } of clients) {
      if (secretDigest !== null) secrets.set(id, secretDigest);
      if (keys !== null && parts.assertions !== null) asserting.set(id, parts.assertions.client(id, algorithms, keys));
      if (service !== undefined) services.push({ id, issuer: service.issuer, subjects: new Set(service.subjects) });
    }
    this.#secrets = secrets;
    this.#asserting = asserting;
    this.#services = services;
    this.#issuers = new Set(services.map(({ issuer }) => issuer));
    this.#parts = parts;
  }

  /**
   * Finds out which client presents a credential.
   *
   * @param address  of the caller, in plain form
   * @returns its id, or a Denial `client_unauthorized` | `rate_limited`
   * @throws DependencyFault `store_unavailable` | `store_full` | `jwks_unavailable`, as a rejection
   */
  authenticate(presented: PresentedCredential, address: string): Promise<string | Denial> {
    switch (presented.method) {
      case 'client_secret_basic':
        return this.#bySecret(presented.clientId, presented.secret, address);
      case 'assertion':
        return this.#byAssertion(presented.assertion, address);
      case 'bearer':
        return this.#byServiceToken(presented.authorization);
      default:
        return presented satisfies never;
    }
  }

  async #bySecret(clientId: string, secret: string, address: string): Promise<string | Denial> {
    const expected = this.#secrets.get(clientId);
    const problem = await this.#parts.failedAttempts.guard(
      expected === undefined ? null : clientId,
      address,
      // Unknown ids are compared as well, so that they take as long.
      async () => (timingSafeEqual(digest(secret), expected ?? NO_SECRET) ? null : WRONG_SECRET),
    );
    return problem ?? clientId;
  }

  async #byAssertion(assertion: string, address: string): Promise<string | Denial> {
    const decoded = decodeAssertion(assertion);
    if (decoded instanceof Denial) return decoded;
    const { iss } = decoded.payload;
    const client = typeof iss === 'string' ? this.#asserting.get(iss) : undefined;
    const { assertions, failedAttempts } = this.#parts;
    if (client === undefined || assertions === null) {
      return this.#issuers.size === 0 ? NO_ASSERTING_CLIENT : this.#byServiceToken(`Bearer ${assertion}`);
    }
    const judge = () => assertions.problem(assertion, decoded, client);
    return (await failedAttempts.guard(client.id, address, judge)) ?? client.id;
  }

  /** Failures are not slowed: there is nothing to guess, and the sender is unknown before the token is verified. */
  async #byServiceToken(authorization: string): Promise<string | Denial> {
    const service = await this.#parts.serviceTokens.authenticate(authorization, this.#issuers);
    if (service instanceof Denial) return unauthorized(service.note);
    if (standsForAnother(service)) return FOR_A_USER;
    const { issuer, subject } = service;
    const client = this.#services.find((candidate) => candidate.issuer === issuer && candidate.subjects.has(subject));
    return client?.id ?? NO_SERVICE_CLIENT;
  }
}

/**
 * Whether a token is not the credential of the service that its subject names: a user may have the name of a service
 * (RFC 9700 §4.15). Our own tokens always show it, and one that was exchanged has `act`.
 */
const standsForAnother = ({ standsFor, claims }: ServicePrincipal): boolean =>
  standsFor !== 'service' || claims['act'] !== undefined;

/**
 * Reads the secret and the keys of a client.
 *
 * @param at  the way to its section
 */
export async function readClient(
  at: KeyPath,
  {
    id,
    clientSecretFile,
    jwksFile,
    algorithms = [],
    service,
  }: { readonly id: string } & Partial<ClientCredentialsConfig>,
  reader: FileReader,
): Promise<KnownClient> {
  const readDigest = async (path: string) => digest(await readSecret(path, MIN_SECRET_LENGTH));
  const readKeys = async (path: string) => fixedKeySet(path, await readJson(path), { algorithms, use: 'sig' });
  const [secretDigest, keys] = await Promise.all([
    reader.read([...at, 'clientSecretFile'], clientSecretFile, readDigest, null),
    reader.read([...at, 'jwksFile'], jwksFile, readKeys, null),
  ]);
  return { id, secretDigest, keys, algorithms, service };
}
