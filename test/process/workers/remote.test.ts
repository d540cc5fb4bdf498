import { expect, test } from 'vitest';
import type { GatewayControl } from '../../../src/admin/control.ts';
import { remote } from '../../../src/process/workers/remote.ts';

test('a remote passes on the name and parameters of a call, and its answer', async () => {
  const calls: unknown[] = [];
  const control = remote<Pick<GatewayControl, 'jwks' | 'sessionsOf'>>(['jwks', 'sessionsOf'], async (...call) => {
    calls.push(call);
    return `answer ${calls.length}`;
  });
  expect(await control.sessionsOf('bob')).toBe('answer 1');
  expect(await control.jwks()).toBe('answer 2');
  expect(calls).toEqual([
    ['sessionsOf', ['bob']],
    ['jwks', []],
  ]);
});

test('a failed call rejects with the same fault', async () => {
  const fault = new Error('the worker process has exited');
  const control = remote<Pick<GatewayControl, 'jwks'>>(['jwks'], () => Promise.reject(fault));
  await expect(control.jwks()).rejects.toBe(fault);
});

test('an interface with a synchronous method does not compile', () => {
  // @ts-expect-error it would return a promise where the interface says string
  const broken = remote<{ now(): string }>(['now'], async () => 'now');
  expect(broken.now()).toBeInstanceOf(Promise);
});

test('an operation that the interface lacks does not compile', () => {
  // @ts-expect-error `restart` is not an operation
  remote<Pick<GatewayControl, 'jwks'>>(['restart'], async () => null);
});
