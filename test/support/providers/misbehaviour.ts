/** The parts of a misbehaviour of the hostile provider. */

import type { ServerResponse } from 'node:http';
import type { JWK } from 'jose';
import type { KeyPair } from '../issuers/forger.ts';
import type { ResponseParameters } from './hostile-responses.ts';

/** What a misbehaviour may use of the provider. */
export interface MisbehavingProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly nowSec: number;
  readonly key: KeyPair;
  readonly kid: string;
  /** ID tokens that it has issued for codes. */
  readonly idTokens: readonly string[];
  /** A key that was never published. */
  strangeKey(): KeyPair;
  /** Header and claims of an honest ID token, changed and signed. */
  idToken(claims: Claims, change?: Misbehaviour): string;
}

/** The members of a JWT or a JSON document. */
export type Claims = Record<string, unknown>;

/** Writes an answer that is not a JSON document. */
export type Writer = (response: ServerResponse) => void;

/** What one misbehaviour changes. Everything else follows the specifications. */
export interface Misbehaviour {
  readonly discovery?: (document: Claims, provider: MisbehavingProvider) => Claims | Writer;
  readonly keySet?: (keys: readonly JWK[], provider: MisbehavingProvider) => unknown;
  readonly authorization?: (parameters: ResponseParameters, provider: MisbehavingProvider) => ResponseParameters;
  /** How the parameters are returned, regardless of the request. */
  readonly responseMode?: 'query' | 'form_post' | 'fragment';
  readonly header?: (header: Claims, provider: MisbehavingProvider) => Claims;
  readonly claims?: (claims: Claims, provider: MisbehavingProvider) => Claims;
  /** Signs an ID token. */
  readonly idToken?: (header: Claims, claims: Claims, provider: MisbehavingProvider) => string;
  readonly token?: (body: Claims, provider: MisbehavingProvider) => Claims | Writer;
  readonly userinfo?: (claims: Claims, provider: MisbehavingProvider) => Claims | Writer;
  /** Answers of the refresh token grant. */
  readonly refresh?: (body: Claims, provider: MisbehavingProvider) => Claims | Writer;
  readonly refreshClaims?: (claims: Claims, provider: MisbehavingProvider) => Claims;
  /** The answer of the end session endpoint. */
  readonly logoutState?: (state: string | null) => string | null;
}
