/** The shape of a row in the table of oauth2-proxy's options. */

/** The type of an option, as oauth2-proxy declares it. */
export type OptionType = 'text' | 'list' | 'boolean' | 'number' | 'duration';

/** How one option of oauth2-proxy is carried over. The table has it under its name in the configuration file. */
export interface OptionEntry {
  /** Its name on the command line, without the dashes. Left out: that of the file, with hyphens. */
  readonly flag?: string;
  readonly type: OptionType;
  /** What oauth2-proxy takes where the option is not set; left out: nothing, an empty text or list, false, 0. */
  readonly default?: string | boolean | number;
  /**
   * Keys of the configuration. `builtIn`: the gateway behaves so by itself, and nothing has to be written. `dropped`: there is
   * nothing like it.
   */
  readonly becomes: readonly string[] | 'builtIn' | 'dropped';
  /** How it is carried over, or why not: one or two sentences, in Markdown. */
  readonly text: string;
  /** The value that a built-in behaviour does not follow, and that is reported. */
  readonly contrary?: string | boolean | number;
  /** Its value is a secret: it is written nowhere but into a file of its own. */
  readonly isSecret?: true;
  /** Providers with which oauth2-proxy looks at it; left out: all. */
  readonly onlyWith?: readonly string[];
  /** oauth2-proxy refuses it in its file and on its command line where there is an alpha configuration. */
  readonly isInAlpha?: true;
}

/** One option of oauth2-proxy with its names. */
export interface OptionRow extends OptionEntry {
  /** On the command line, without the dashes: `cookie-expire`. */
  readonly flag: string;
  /** In the configuration file: `cookie_expire`. In the environment it is `OAUTH2_PROXY_COOKIE_EXPIRE`. */
  readonly key: string;
}
