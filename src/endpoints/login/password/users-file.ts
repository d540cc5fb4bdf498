/**
 * The users file: who can log in with a password. YAML, written by `sallyport users add` or by hand.
 *
 *     users:
 *       - name: alice
 *         passwordHash: $argon2id$v=19$m=65536,t=3,p=1$…
 *         email: alice@example.com
 *         roles: [customer]
 *
 * A file that changes is read again before the next login. If it can no longer be read, or is not valid, the log says so once
 * and the last good version stays. A file without the list is not valid: it was emptied or half written. `users: []`
 * says that nobody can log in.
 */

import { stat } from 'node:fs/promises';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { isRemembered, readNamedFile, remembering } from '../../../config/files/remembered-files.ts';
import { formatPath } from '../../../config/findings/problem.ts';
import { describeIssue } from '../../../config/report.ts';
import { ConfigFault } from '../../../errors.ts';
import type { UserAttributes } from '../../../store/session-record.ts';
import { areTooLarge, attributesSchema, MAX_ATTRIBUTES_BYTES, visibleText } from '../user-attributes.ts';
import { DEFAULT_PARAMETERS, type PasswordHash, readPasswordHash } from './hash.ts';

/** These are keys of their own. */
const OWN_ATTRIBUTES = ['email', 'displayName', 'roles'];

const userSchema = () =>
  z
    .strictObject({
      name: visibleText(128).meta({ description: 'What the user types in; compared exactly.' }),
      passwordHash: z
        .string()
        .refine(
          (phc) => readPasswordHash(phc) !== null,
          'is not an Argon2id hash that is accepted: make one with `sallyport users add`',
        )
        .meta({ description: 'Argon2id, as a PHC string: `sallyport users add` makes it.', secret: true }),
      subject: visibleText(200).optional().meta({ description: '`sub` of the user. Default: the name.' }),
      email: visibleText(254).optional().meta({ description: 'Attribute `email`.' }),
      displayName: visibleText(128).optional().meta({ description: 'Attribute `displayName`.' }),
      roles: z.array(visibleText(128)).prefault([]).meta({ description: 'Attribute `roles`.' }),
      attributes: attributesSchema()
        .refine((attributes) => OWN_ATTRIBUTES.every((name) => !Object.hasOwn(attributes, name)), {
          message: 'must not contain email, displayName or roles: these are keys of the user',
        })
        .prefault({})
        .meta({ description: 'More attributes, for claims and identity headers.' }),
    })
    .refine((user) => !areTooLarge(attributesOf(user)), {
      message: `has more than ${MAX_ATTRIBUTES_BYTES} bytes of attributes, written as JSON`,
    });

/** The schema of a users file. */
const usersFileSchema = () =>
  z
    .strictObject({
      users: z
        .array(userSchema(), { error: 'must be a list; `users: []` lets nobody log in' })
        .meta({ description: 'Who can log in.' }),
    })
    .superRefine(({ users }, context) => {
      const names = users.map(({ name }) => accountName(name));
      const subjects = users.map(({ name, subject }) => subject ?? name);
      refuseDuplicates('name', names, context);
      refuseDuplicates('subject', subjects, context);
    });

function refuseDuplicates(key: string, values: readonly string[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, value] of values.entries()) {
    if (seen.has(value)) {
      context.addIssue({ code: 'custom', path: ['users', index, key], message: `is the ${key} of another user, too` });
    }
    seen.add(value);
  }
}

interface WrittenAttributes {
  readonly email?: string | undefined;
  readonly displayName?: string | undefined;
  readonly roles: string[];
  readonly attributes: UserAttributes;
}

function attributesOf({ email, displayName, roles, attributes }: WrittenAttributes): UserAttributes {
  return {
    ...attributes,
    ...(email !== undefined && { email }),
    ...(displayName !== undefined && { displayName }),
    roles,
  };
}

/** A user who can log in with a password. */
export interface User {
  /** Canonical name of the account. */
  readonly account: string;
  readonly subject: string;
  readonly attributes: UserAttributes;
  readonly stored: PasswordHash;
}

/** Stands for an unknown account when its password is verified. */
export interface StandInUser {
  readonly subject: null;
  readonly stored: PasswordHash;
}

/** The name of an account as it is looked up and counted: one spelling for what is typed in, whatever the keyboard. */
export const accountName = (typed: string): string => typed.normalize('NFC').trim();

/** The users of one reading of the file. */
export class Users {
  readonly #byAccount: ReadonlyMap<string, User>;
  readonly #standIns: readonly StandInUser[];

  constructor(users: readonly User[]) {
    this.#byAccount = new Map(users.map((user) => [user.account, user]));
    this.#standIns = users.length === 0 ? [standIn(UNUSABLE)] : users.map(({ stored }) => standIn(stored));
  }

  /** `sub` of each user. */
  get subjects(): readonly string[] {
    return [...this.#byAccount.values()].map(({ subject }) => subject);
  }

  find(account: string): User | null {
    return this.#byAccount.get(account) ?? null;
  }

  /**
   * The stand-in against which the password for an unknown account is verified, so that this costs as much as for a
   * known one: a hash of the same cost as some user's, always the same for the same name, that no password has.
   */
  standIn(account: string): StandInUser {
    let sum = 0;
    for (let index = 0; index < account.length; index += 1) sum = (sum * 31 + account.charCodeAt(index)) >>> 0;
    return this.#standIns[sum % this.#standIns.length] ?? standIn(UNUSABLE);
  }
}

/** Of the usual cost, without a password. */
const UNUSABLE: PasswordHash = { ...DEFAULT_PARAMETERS, salt: Buffer.alloc(16), hash: Buffer.alloc(32) };

const standIn = ({ hash, ...cost }: PasswordHash): StandInUser => ({
  subject: null,
  stored: { ...cost, hash: Buffer.alloc(hash.byteLength) },
});

/**
 * Reads the text of a users file.
 *
 * @param path  for messages
 * @throws ConfigFault that lists every mistake, with file, line and column; never a hash
 */
export function readUsers(text: string, path: string): Users {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) throw new ConfigFault(`${at(syntaxError.pos[0])} ${syntaxError.message}`);

  const parsed = usersFileSchema().safeParse(document.toJS() ?? {}, { error: describeIssue });
  if (!parsed.success) {
    const mistakes = parsed.error.issues.map((issue) => {
      const keys = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
      return [at(offsetOf(document, keys)), formatPath(keys), messageOfIssue(issue)].filter(Boolean).join(' ');
    });
    throw new ConfigFault(mistakes.join('\n'));
  }
  return new Users(
    parsed.data.users.map((user) => ({
      account: accountName(user.name),
      subject: user.subject ?? user.name,
      attributes: attributesOf(user),
      stored: readPasswordHash(user.passwordHash) ?? UNUSABLE,
    })),
  );
}

/** Never with a value: it may be a hash. */
function messageOfIssue(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return issue.message;
  return `has the unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
}

/** Where the innermost node on the way to a key begins. */
function offsetOf(document: ReturnType<typeof parseDocument>, keys: readonly (string | number)[]): number {
  for (let length = keys.length; length >= 0; length -= 1) {
    const node = document.getIn(keys.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

/** What distinguishes one version of a file from another, even if a symbolic link is swapped (as Kubernetes does). */
async function fingerprint(path: string): Promise<string> {
  const { ino, mtimeMs, ctimeMs, size } = await stat(path);
  return `${ino} ${mtimeMs} ${ctimeMs} ${size}`;
}

/** One version of the file. */
export interface UsersVersion {
  readonly users: Users;
  /** Distinguishes it from others. */
  readonly fingerprint: string;
}

/** Stands for a file that was not read. */
export const NO_USERS: UsersVersion = { users: new Users([]), fingerprint: '' };

/**
 * Reads the file as it is now.
 *
 * @throws ConfigFault when it cannot be used
 */
export async function readUsersFile(path: string): Promise<UsersVersion> {
  try {
    // Remembered contents are not those of the file as it is now.
    const seen = isRemembered(path) ? '' : await fingerprint(path);
    return { users: readUsers((await readNamedFile(path)).toString(), path), fingerprint: seen };
  } catch (cause) {
    throw cause instanceof ConfigFault ? cause : new ConfigFault(`${path} ${messageOf(cause)}`, { cause });
  }
}

/** The users file, read again when it changes. */
export class UsersFile {
  readonly #path: string;
  readonly #onProblem: (message: string) => void;
  #users: Users;
  /** Of the version that was read last, good or not. */
  #seen: string;
  #problem: string | null = null;

  /**
   * @param version    that was read last
   * @param onProblem  called, once per problem, with the reason why a later version is not used
   */
  constructor(path: string, version: UsersVersion, onProblem: (message: string) => void) {
    this.#path = path;
    this.#users = version.users;
    this.#seen = version.fingerprint;
    this.#onProblem = onProblem;
  }

  /** The users of the file as it is now, or of the last version that could be used. */
  async current(): Promise<Users> {
    try {
      const seen = await fingerprint(this.#path);
      if (seen !== this.#seen) {
        await remembering(async () => {
          const text = (await readNamedFile(this.#path)).toString();
          this.#seen = seen;
          this.#users = readUsers(text, this.#path);
        });
        this.#problem = null;
      }
    } catch (cause) {
      // A file that was away may come back as it was.
      if (!(cause instanceof ConfigFault)) this.#seen = '';
      this.#report(messageOf(cause));
    }
    return this.#users;
  }

  /** Whether the file can be used as it is now; else those of its last good version can log in. */
  async isUsable(): Promise<boolean> {
    await this.current();
    return this.#problem === null;
  }

  #report(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#onProblem(problem);
  }
}

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : 'cannot be read');
