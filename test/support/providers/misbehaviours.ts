/**
 * Everything that the hostile provider can do wrong, by name. One name is one deviation: everything else follows the
 * specifications.
 */

import type { Misbehaviour } from './misbehaviour.ts';
import { ANSWERS } from './misbehaviours/answers.ts';
import { DISCOVERY } from './misbehaviours/discovery.ts';
import { ID_TOKENS } from './misbehaviours/id-tokens.ts';
import { PEOPLE } from './misbehaviours/people.ts';
import { RESPONSES } from './misbehaviours/responses.ts';

export type MisbehaviourName =
  | keyof typeof ANSWERS
  | keyof typeof DISCOVERY
  | keyof typeof ID_TOKENS
  | keyof typeof PEOPLE
  | keyof typeof RESPONSES;

export const MISBEHAVIOURS: Readonly<Record<MisbehaviourName, Misbehaviour>> = {
  ...ANSWERS,
  ...DISCOVERY,
  ...ID_TOKENS,
  ...PEOPLE,
  ...RESPONSES,
};
