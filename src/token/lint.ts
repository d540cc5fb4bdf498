/** Rules about `upstreamToken`: which key signs, how long it is published, and how long its tokens live. */

import { isPublic, type WrittenCredential } from '../authentication/credential.ts';
import { defineCodes, error, warning } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import type { UpstreamTokenConfig } from './section.ts';

/** Codes of the findings about upstream tokens and their keys. */
export const codes = defineCodes({
  'token/secret-file': error('HS256 needs `upstreamToken.secretFile`, and the other algorithms need none.'),
  'token/keys': error('`upstreamToken.keys` with HS256, whose only key is the secret file.'),
  'token/publish-before': error(
    'A new signing key is published before its first use for a shorter time than verifiers may cache the JWKS, so some would not know it.',
  ),
  'token/rotate-every': error('Signing keys would be replaced before they have been published long enough.'),
  'token/lifetime': warning('Upstream tokens live longer than 5 minutes: not every verifier follows revocations.'),
  'token/memory-key': warning(
    'Sessions are shared through Redis, but each process makes its own signing key: verifiers that read the JWKS of another replica refuse its tokens.',
  ),
});

interface TokenDraft {
  readonly upstreamToken?: UpstreamTokenConfig | undefined;
  readonly tokenEndpoint?: object | undefined;
  readonly refresh?: object | undefined;
  readonly store?: { readonly redis?: object | undefined } | undefined;
  readonly workers?: number | 'auto' | undefined;
  readonly routes: readonly (Route | undefined)[];
}

interface Route {
  readonly credential: WrittenCredential;
  readonly upstreamToken: 'minted' | 'original' | 'none';
}

const LONG_LIFETIME_MS = 5 * 60_000;

/** Whether tokens are made for those who call or are called: a sidecar that passes tokens on makes none. */
const signsForOthers = ({ routes, tokenEndpoint, refresh }: TokenDraft): boolean =>
  tokenEndpoint !== undefined ||
  refresh !== undefined ||
  routes.some((route) => route !== undefined && !isPublic(route.credential) && route.upstreamToken === 'minted');

type Context = LintContext<TokenDraft>;

const path = (...keys: string[]) => ['upstreamToken', ...keys];

/** Applies the rules. */
export function lint(context: Context): void {
  const token = context.draft.upstreamToken;
  if (token === undefined) return;
  lintSecret(context, token);
  if (token.lifetime > LONG_LIFETIME_MS) {
    context.source.report(
      codes['token/lifetime'],
      path('lifetime'),
      'upstreamToken.lifetime is over 5 minutes: not every verifier follows revocations',
      'tokens are minted on demand; 2m is enough',
    );
  }
  if (token.keys === undefined) lintMemoryKey(context, token);
  else lintKeys(context, token, token.keys);
}

function lintSecret({ source }: Context, { algorithm, secretFile }: UpstreamTokenConfig): void {
  if (algorithm === 'HS256' && secretFile === undefined) {
    source.report(
      codes['token/secret-file'],
      path('algorithm'),
      'upstreamToken.algorithm HS256 needs upstreamToken.secretFile',
    );
  }
  if (algorithm !== 'HS256' && secretFile !== undefined) {
    source.report(
      codes['token/secret-file'],
      path('secretFile'),
      `upstreamToken.secretFile has no effect with ${algorithm}`,
      'remove it, or set algorithm: HS256',
      'key',
    );
  }
}

function lintMemoryKey({ draft, source }: Context, { algorithm }: UpstreamTokenConfig): void {
  if (draft.store?.redis === undefined || draft.workers !== 1 || algorithm === 'HS256' || !signsForOthers(draft))
    return;
  source.report(
    codes['token/memory-key'],
    path(),
    'each replica creates its own signing key, which is missing from the JWKS of the others',
    'set upstreamToken.keys.directory to a directory that the replicas share',
  );
}

function lintKeys(
  { source }: Context,
  { algorithm, jwksMaxAge }: UpstreamTokenConfig,
  { rotateEvery, publishBefore }: NonNullable<UpstreamTokenConfig['keys']>,
): void {
  if (algorithm === 'HS256') {
    source.report(
      codes['token/keys'],
      path('keys'),
      'upstreamToken.keys has no effect with HS256, whose only key is secretFile',
      null,
      'key',
    );
    return;
  }
  if (publishBefore < jwksMaxAge) {
    source.report(
      codes['token/publish-before'],
      path('keys', 'publishBefore'),
      'upstreamToken.keys.publishBefore is shorter than upstreamToken.jwksMaxAge: a verifier may get a token signed by a key that it does not know yet',
    );
  }
  if (rotateEvery !== undefined && rotateEvery <= publishBefore) {
    source.report(
      codes['token/rotate-every'],
      path('keys', 'rotateEvery'),
      'upstreamToken.keys.rotateEvery is not longer than publishBefore',
    );
  }
}
