/** init: the first configuration of a gateway: questions, answers, the resulting files, and the next steps. */

/** What the files are written from. */
export interface Answers {
  /** Origin of the application. */
  readonly upstream: string;
  /** The public origin. */
  readonly origin: string;
  readonly user: string;
  readonly password: string;
  /** The password is not one that the user typed, so it has to be shown. */
  readonly isPasswordGenerated: boolean;
  /** `null`: sessions stay in the process. */
  readonly redis: string | null;
}
