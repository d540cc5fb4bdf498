/** How long a token can live that is signed here: so long its key is published. */

/** The sections by which tokens are signed, as far as their lifetimes go; milliseconds. */
interface SigningSections {
  readonly upstreamToken: { readonly lifetime: number };
  readonly refresh?: { readonly accessToken: { readonly lifetime: number } } | undefined;
  readonly tokenEndpoint?: { readonly exchangeLifetime: number; readonly serviceTokenLifetime: number } | undefined;
  readonly outbound?:
    | {
        readonly destinations: readonly {
          readonly token: { readonly service?: { readonly lifetime: number } | undefined };
        }[];
      }
    | undefined;
}

/** The longest life of a token that a configuration lets us sign, of whatever kind. */
export function longestSignedMs({ upstreamToken, refresh, tokenEndpoint, outbound }: SigningSections): number {
  const outboundMs = (outbound?.destinations ?? []).map(({ token }) => token.service?.lifetime ?? 0);
  return Math.max(
    upstreamToken.lifetime,
    refresh?.accessToken.lifetime ?? 0,
    tokenEndpoint?.exchangeLifetime ?? 0,
    tokenEndpoint?.serviceTokenLifetime ?? 0,
    ...outboundMs,
  );
}
