/** Names of the cookies that belong to the gateway. */

/**
 * Whether a cookie is one of the gateway's own.
 *
 * @param own  a name; one that ends in `-` stands for all names that begin with it
 */
export const isOwnCookie = (name: string, own: string): boolean =>
  name === own || (own.endsWith('-') && name.startsWith(own));
