import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeSession,
  encodeSession,
  LAST_SEEN_OFFSET,
  writtenTime,
} from '../../../src/store/networked/session-format.ts';
import type { SessionRecord } from '../../../src/store/session-record.ts';
import { asHandle } from '../../support/names.ts';
import { newRecord } from '../contract.ts';

const time = fc.integer({ min: 0, max: 9_999_999_999_999 });
const text = fc.string({ unit: 'binary' });
const attributes = fc
  .dictionary(text, fc.jsonValue({ noUnicodeString: false } as never))
  .filter((user) => !Object.hasOwn(user, '__proto__'));

/** UUIDs, and texts that look like the written form of one. */
const name = fc.oneof(
  text,
  fc.uuid(),
  fc.uuid().map((uuid) => uuid.toUpperCase()),
  fc.base64String().map((base64) => `~${base64.slice(0, 22)}`),
  text.map((rest) => `~~${rest}`),
);

const login = fc.record({
  provider: fc.oneof(fc.constant('corporate'), text),
  subject: name,
  sid: fc.option(name),
  authTimeMs: fc.option(time),
  acr: fc.option(text),
  amr: fc.array(text, { maxLength: 3 }),
});

const records: fc.Arbitrary<SessionRecord> = fc
  .record({
    handle: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    subject: fc
      .oneof(
        name,
        fc.tuple(text, name).map((parts) => parts.join('|')),
      )
      .filter((subject) => subject !== ''),
    user: attributes,
    method: fc.constantFrom('password', 'backend', 'oidc'),
    version: fc.integer({ min: 1 }),
    createdAtMs: time,
    lifetimeMs: fc.integer({ min: 1, max: 10 ** 12 }),
    lastSeenAtMs: time,
    device: text,
    remembered: fc.boolean(),
    login: fc.option(login),
    isNamedByProvider: fc.boolean(),
  })
  .map(({ lifetimeMs, isNamedByProvider, ...record }) => {
    const { login } = record;
    const subject = isNamedByProvider && login !== null ? `${login.provider}|${login.subject}` : record.subject;
    return { ...record, subject, expiresAtMs: record.createdAtMs + lifetimeMs } as SessionRecord;
  });

/** As in JSON, which has no −0. */
const asJson = (record: SessionRecord) => JSON.parse(JSON.stringify(record)) as SessionRecord;

describe('the written form of a session', () => {
  test('is read as it was written, whatever it contains', () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(decodeSession(record.handle, encodeSession(record))).toEqual(asJson(record));
      }),
    );
  });

  test('slides by changing only its 13 digits', () => {
    fc.assert(
      fc.property(records, time, (record, lastSeenAtMs) => {
        const written = encodeSession(record);
        const slid =
          written.slice(0, LAST_SEEN_OFFSET) + writtenTime(lastSeenAtMs) + written.slice(LAST_SEEN_OFFSET + 13);
        expect(decodeSession(record.handle, slid)).toEqual(asJson({ ...record, lastSeenAtMs }));
      }),
    );
  });

  test('SES-11, RDS-13: is ignored under the key of another session', () => {
    fc.assert(
      fc.property(records, records, (record, other) => {
        fc.pre(record.handle.slice(0, 8) !== other.handle.slice(0, 8));
        expect(decodeSession(other.handle, encodeSession(record))).toBeNull();
      }),
    );
  });

  test('SES-10: is ignored when truncated', () => {
    fc.assert(
      fc.property(records, fc.nat(), (record, at) => {
        const written = encodeSession(record);
        expect(decodeSession(record.handle, written.slice(0, at % written.length))).toBeNull();
      }),
    );
  });

  test('SES-10: any other text is ignored without an error', () => {
    const head = fc.constantFrom('', '1|', '1|1800000000000|', '1|1800000000000|[', '2|1800000000000|');
    fc.assert(
      fc.property(head, fc.oneof(text, fc.json()), (before, after) => {
        expect(decodeSession(newRecord().handle, before + after)).toBeNull();
      }),
    );
  });

  test('SES-10: is ignored when a value in it has another type', () => {
    const record = newRecord();
    const [version, lastSeen] = encodeSession(record).split('|', 2);
    const body = JSON.parse(encodeSession(record).slice(16)) as unknown[];
    for (let i = 0; i < body.length; i++) {
      for (const wrong of [null, {}, [], '', 'x', -0.5, 1e300, true]) {
        if (typeof wrong === typeof body[i] && wrong !== null && !Array.isArray(wrong) && typeof wrong !== 'number')
          continue;
        const written = `${version}|${lastSeen}|${JSON.stringify(body.with(i, wrong))}`;
        expect([i, wrong, decodeSession(record.handle, written)]).toEqual([i, wrong, null]);
      }
    }
    for (const more of [
      [2],
      [true],
      [null],
      [0],
      [1, 1],
      [0, {}],
      [0, []],
      [2, [0]],
      [0, [0], 1],
      [0, [1]],
      [0, [0, 0, 0, null]],
    ]) {
      const written = `${version}|${lastSeen}|${JSON.stringify([...body, ...more])}`;
      expect([more, decodeSession(record.handle, written)]).toEqual([more, null]);
    }
  });

  test('of a login at a provider omits repeated names and missing claims', () => {
    const login = { provider: 'corporate', subject: 'a|b', sid: null, authTimeMs: null, acr: null, amr: [] };
    const record = newRecord({ subject: 'corporate|a|b', method: 'oidc', login });
    const [, , ...written] = JSON.parse(encodeSession(record).slice(16)) as unknown[];
    expect(written.slice(-2)).toEqual([0, [0]]);
    expect(encodeSession({ ...record, login: { ...login, provider: 'other' } })).toContain('0,["other"]]');
  });

  test('encodes UUIDs as their bytes, and no other name as a UUID', () => {
    const uuid = '00112233-4455-6677-8899-aabbccddeeff';
    const written = '~ABEiM0RVZneImaq7zN3u_w';
    const login = { provider: 'a', subject: uuid, sid: uuid, authTimeMs: null, acr: null, amr: [] };
    const record = newRecord({ subject: `a|${uuid}`, login });
    expect(encodeSession(record)).toContain(`"a|${written}"`);
    expect(encodeSession(record)).toContain(`[0,0,"${written}"]`);
    for (const subject of [written, `a|${written}`, `~${written}`, uuid.toUpperCase()]) {
      expect(decodeSession(record.handle, encodeSession({ ...record, subject }))?.subject).toBe(subject);
    }
  });

  test('of an older version, without a login, is still read', () => {
    const record = newRecord({ handle: asHandle('A'.repeat(43)), subject: 'alice', user: { roles: ['a'] } });
    const { createdAtMs, lastSeenAtMs, device } = record;
    const old = (more: string) =>
      `1|${lastSeenAtMs}|["AAAAAAAA","alice",{"roles":["a"]},"p",1,${createdAtMs},3600000,${JSON.stringify(device)}${more}]`;
    expect(decodeSession(record.handle, old(''))).toEqual(record);
    expect(decodeSession(record.handle, old(',1'))).toEqual({ ...record, remembered: true });
    expect(encodeSession(record)).toBe(old(''));
  });

  test('does not contain the whole handle, so that none can be extracted from a value', () => {
    const record = newRecord();
    expect(encodeSession(record)).not.toContain(record.handle);
  });
});
