/** Loads `oidc-provider`, the identity provider of the demo and of the tests. */

export type OidcProviderLibrary = typeof import('oidc-provider');

/** Loads it without its warning that the version of Node that we run on is not a long-term one. */
export async function loadOidcProvider(): Promise<OidcProviderLibrary> {
  const { warn } = console;
  console.warn = () => {};
  try {
    return await import('oidc-provider');
  } finally {
    console.warn = warn;
  }
}
