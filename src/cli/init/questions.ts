/** The questions, and the validation of their answers. */

import { randomInt } from 'node:crypto';
import { createInterface, type Interface } from 'node:readline/promises';
import { ConfigFault } from '../../errors.ts';
import { isLoopbackHost } from '../../lib/address.ts';
import type { CliIo } from '../command.ts';
import { originOf } from '../io/origin-input.ts';
import { readNewPassword } from '../io/password-input.ts';
import type { Answers } from './answers.ts';
import { ensureAbsent } from './files.ts';

/** The options that answer a question beforehand. */
type GivenAnswers = { readonly [Name in 'upstream' | 'origin' | 'user' | 'redis']: string | undefined };

interface InterviewQuestion {
  readonly words: string;
  readonly standard: string;
  /** @throws ConfigFault when the answer cannot be used */
  readonly read: (answer: string) => string;
}

/**
 * Asks what the options do not answer. Without a terminal nothing is asked: the rest has its default.
 *
 * @throws ConfigFault when an answer cannot be used, or files are there already
 */
export async function askAnswers(given: GivenAnswers, directory: string, io: CliIo): Promise<Answers> {
  // First, so that no answers are lost to a file that is in the way.
  ensureAbsent(directory);
  const questions = questionsFor(io);
  const asking = io.stdin.isTTY === true ? new Interview(io) : null;
  const answers: Record<string, string> = {};
  try {
    for (const [name, question] of Object.entries(questions)) {
      const beforehand = given[name as keyof GivenAnswers];
      if (beforehand !== undefined) answers[name] = question.read(beforehand);
      else answers[name] = asking === null ? question.read(question.standard) : await asking.ask(question);
    }
  } finally {
    asking?.close();
  }
  const { upstream = '', origin = '', user = '', redis = '' } = answers;
  if (asking !== null) io.stderr.write(`A password for ${user}; leave it empty to generate one.\n`);
  const typed = await readNewPassword(io, true);
  return {
    upstream,
    origin,
    user,
    password: typed === '' ? generatedPassword() : typed,
    isPasswordGenerated: typed === '',
    redis: redis === '' ? null : redis,
  };
}

const questionsFor = ({ env }: CliIo): Readonly<Record<keyof GivenAnswers, InterviewQuestion>> => ({
  upstream: {
    words: 'Where does your application listen?',
    standard: 'http://127.0.0.1:3000',
    read: (answer) => originOf(answer, 'the application', '127.0.0.1'),
  },
  origin: {
    words: 'Which address will browsers use?',
    standard: 'http://localhost:8080',
    read: publicOrigin,
  },
  user: { words: 'Who logs in first?', standard: env['USER'] || 'admin', read: userName },
  redis: {
    words: 'URL of a Redis for sessions (empty: keep them in the process)?',
    standard: '',
    read: redisUrl,
  },
});

/** Questions on a terminal, one after the other. Answers may be typed ahead. */
class Interview {
  readonly #io: CliIo;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(io: CliIo) {
    this.#io = io;
    // The terminal echoes what is typed.
    this.#lines = createInterface({ input: io.stdin, terminal: false });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** Asks until the answer can be used. @throws ConfigFault when the input ends */
  async ask({ words, standard, read }: InterviewQuestion): Promise<string> {
    for (;;) {
      this.#io.stderr.write(`${words}${standard === '' ? '' : ` [${standard}]`} `);
      const answer = await this.#answers.next();
      if (answer.done === true) throw new ConfigFault('the questions were not answered; nothing was written');
      try {
        return read(answer.value.trim() || standard);
      } catch (fault) {
        if (!(fault instanceof ConfigFault)) throw fault;
        this.#io.stderr.write(`${fault.message}\n`);
      }
    }
  }

  close(): void {
    this.#lines.close();
  }
}

function publicOrigin(answer: string): string {
  const origin = originOf(answer, 'the address for browsers', 'localhost');
  const { protocol, host, hostname } = new URL(origin);
  if (protocol === 'http:' && !isLoopbackHost(hostname))
    throw new ConfigFault(`browsers send the session cookie to ${hostname} over https only: write https://${host}`);
  return origin;
}

function userName(answer: string): string {
  if (/^[\x21-\x7e]{1,64}$/.test(answer)) return answer;
  throw new ConfigFault('a user name has 1 to 64 letters, digits or punctuation marks, and no spaces');
}

function redisUrl(answer: string): string {
  if (answer === '') return answer;
  const url = /^rediss?:\/\/[^\s"\\]+$/.test(answer) ? URL.parse(answer) : null;
  if (url === null) throw new ConfigFault('a Redis URL begins with redis:// or rediss://');
  if (/%(?![0-9a-f]{2})/i.test(url.password)) throw new ConfigFault('write % as %25 in the password of a URL');
  return answer;
}

/** Letters and digits that are not taken for one another. */
const PASSWORD_ALPHABET = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** 20 of 56 characters are 116 bits. */
const PASSWORD_LENGTH = 20;

const generatedPassword = (): string =>
  Array.from({ length: PASSWORD_LENGTH }, () => PASSWORD_ALPHABET[randomInt(PASSWORD_ALPHABET.length)]).join('');
