/** The users file of the password form, as commands write it. */

import { existsSync } from 'node:fs';
import type { Document, YAMLSeq } from 'yaml';
import { replaceFile } from '../io/replace-file.ts';

/** A users file as a document that keeps its comments, checked. */
export async function openUsers(path: string, mayBeMissing: boolean): Promise<Document> {
  const { parseDocument } = await import('yaml');
  if (mayBeMissing && !existsSync(path)) return parseDocument('users: []\n');
  const { readConfigText } = await import('../../config/load.ts');
  const { readUsers } = await import('../../endpoints/login/password/users-file.ts');
  const text = readConfigText(path);
  if (mayBeMissing && text.trim() === '') return parseDocument('users: []\n');
  readUsers(text, path);
  return parseDocument(text);
}

/** A user as written in the file. */
export interface WrittenUser {
  readonly name: string;
  readonly subject?: string;
  readonly email?: string;
  readonly displayName?: string;
  readonly roles?: readonly string[];
}

/** The users of a file. */
export const usersOf = (document: Document): readonly WrittenUser[] =>
  (document.toJS() as { users?: WrittenUser[] } | null)?.users ?? [];

/** Writes one key per line, even where the list was `[]`. */
export function addUser(document: Document, user: object): void {
  const present = document.get('users');
  if (typeof present !== 'object' || present === null) document.set('users', document.createNode([]));
  const list = document.get('users') as YAMLSeq;
  if (list.items.length === 0) list.flow = false;
  list.add(document.createNode(user));
}

/** Replaces the file in one step, readable by its owner only, once its new text is valid. */
export async function writeUsers(path: string, document: Document): Promise<void> {
  const { readUsers } = await import('../../endpoints/login/password/users-file.ts');
  const text = document.toString({ lineWidth: 0 });
  readUsers(text, path);
  await replaceFile(path, text, 0o600);
}
