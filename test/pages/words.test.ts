/** Every language has all the words of the pages, and has translated them. */

import { describe, expect, test } from 'vitest';
import { REASONS } from '../../src/errors.ts';
import { Html, html } from '../../src/lib/text/html.ts';
import { timeElement } from '../../src/pages/dates.ts';
import { de } from '../../src/pages/words/de.ts';
import { en } from '../../src/pages/words/en.ts';
import { LANGUAGES } from '../../src/pages/words/languages.ts';
import type { Words } from '../../src/pages/words/words.ts';
import { LOGIN_METHODS } from '../../src/store/session-record.ts';

/** All words by their keys, functions called: `login.title` → `Log in`. Of a reason, only its title and detail. */
function flat(words: object, path = ''): [string, string][] {
  return Object.entries(words).flatMap(([key, value]: [string, unknown]): [string, string][] => {
    const at = path === '' ? key : `${path}.${key}`;
    if (path.startsWith('reasons.') && !['title', 'detail'].includes(key)) return [];
    if (typeof value === 'string') return [[at, value]];
    if (value instanceof Html) return [[at, value.text]];
    if (typeof value === 'function') return flat({ [key]: call(value as (...given: unknown[]) => unknown) }, path);
    return flat(value as object, at);
  });
}

/** Calls a sentence with markup, numbers or text, all of which it must show. */
function call(sentence: (...given: unknown[]) => unknown): unknown {
  for (const given of [
    [html`<b>A1</b>`, html`<b>B2</b>`, html`<b>C3</b>`],
    [7, 8],
    ['A1', 'B2'],
  ]) {
    const said = sentence(...given.slice(0, sentence.length));
    const text = said instanceof Html ? said.text : String(said);
    const shown = given.slice(0, sentence.length).map((it) => (it instanceof Html ? it.text : String(it)));
    if (!text.includes('[object') && !text.includes('NaN') && shown.every((it) => text.includes(it))) return said;
  }
  throw new Error(`a sentence does not say what it is given: ${sentence.toString()}`);
}

const english = new Map(flat(en));
const others = Object.entries(LANGUAGES).filter(([tag]) => tag !== 'en');
/** Words that are the same in English and in a language. */
const SAME: Readonly<Record<string, readonly string[]>> = { de: ['commandLine.code'] };

test('a missing word does not compile', () => {
  const { title: _title, ...rest } = de.login;
  // @ts-expect-error: `title` is missing.
  const noTitle: Words = { ...de, login: rest };
  const { bug: _bug, ...reasons } = de.reasons;
  // @ts-expect-error: `bug` is missing.
  const noReason: Words = { ...de, reasons };
  expect([noTitle.login.title, noReason.reasons.bug]).toEqual([undefined, undefined]);
});

test('English has words for every reason and every login method', () => {
  expect(Object.keys(en.reasons)).toEqual(Object.keys(REASONS));
  expect(Object.keys(en.sessions.methods).toSorted()).toEqual(LOGIN_METHODS.toSorted());
  expect(english.size).toBeGreaterThan(2 * Object.keys(REASONS).length);
});

describe.each(others)('%s', (tag, words) => {
  const all = new Map(flat(words));

  test('has exactly the words that English has', () => {
    expect([...all.keys()].toSorted()).toEqual([...english.keys()].toSorted());
  });

  test('has no word that is empty, or starts or ends with a space', () => {
    expect([...all].filter(([, text]) => text.trim() === '' || text.trim() !== text)).toEqual([]);
  });

  test('has no word that is still English', () => {
    const same = [...all].filter(([key, text]) => english.get(key) === text).map(([key]) => key);
    expect(same).toEqual(SAME[tag]);
  });

  test('uses whole sentences where English does', () => {
    const isSentence = (text: string | undefined) => /[.?!)]$/.test(text ?? '');
    expect([...all].filter(([key, text]) => isSentence(english.get(key)) !== isSentence(text))).toEqual([]);
  });
});

test('every language is registered under its tag', () => {
  for (const [tag, words] of Object.entries(LANGUAGES)) expect(words.tag).toBe(tag);
});

test('nouns agree with their numbers', () => {
  expect([1, 2].map(en.login.tooManyAttempts).map((text) => text.split(' in ')[1])).toEqual([
    '1 second.',
    '2 seconds.',
  ]);
  expect(de.login.tooManyAttempts(1)).toContain('in 1 Sekunde noch');
  expect(de.login.tooManyAttempts(30)).toContain('in 30 Sekunden noch');
});

test('dates are in the format of each language, in UTC', () => {
  const atMs = Date.UTC(2027, 0, 15, 20, 5);
  expect(timeElement(atMs, en).text).toBe('<time datetime="2027-01-15T20:05:00.000Z">15 Jan 2027, 20:05 UTC</time>');
  expect(timeElement(atMs, de).text).toBe('<time datetime="2027-01-15T20:05:00.000Z">15.01.2027, 20:05 UTC</time>');
});
