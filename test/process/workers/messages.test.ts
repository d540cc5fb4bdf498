import { expect, test } from 'vitest';
import { ConfigFault, DependencyFault, GatewayFault } from '../../../src/errors.ts';
import { isCall, isReply, readFault, writeFault } from '../../../src/process/workers/messages.ts';

test.each([
  ['a ConfigFault', new ConfigFault('one line'), ConfigFault, undefined],
  ['a DependencyFault', new DependencyFault('store_unavailable', 'no answer'), DependencyFault, 'store_unavailable'],
  ['anything else', new TypeError('undefined is not a function'), GatewayFault, 'bug'],
])('%s keeps its kind and message across processes', (_title, fault, kind, reason) => {
  const crossed = readFault(structuredClone(writeFault(fault)));
  expect(crossed).toBeInstanceOf(kind);
  expect(crossed.message).toBe(fault.message);
  expect((crossed as Partial<GatewayFault>).reason).toBe(reason);
});

test('an unknown reason is a bug', () => {
  expect(readFault({ kind: 'from_the_future', message: 'm' })).toMatchObject({ reason: 'bug' });
  expect(readFault({ kind: '__proto__', message: 'm' })).toMatchObject({ reason: 'bug' });
});

test('foreign messages on the same channel are ignored', () => {
  for (const message of [null, undefined, 'call', 7, {}, { cmd: 'NODE_x' }, { type: 'prom-client:getMetricsReq' }]) {
    expect(isCall(message)).toBe(false);
    expect(isReply(message)).toBe(false);
  }
});
