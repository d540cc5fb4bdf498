/** What an idle connection keeps in memory. `npm run bench -- memory` measures its total cost. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Http1Reply } from '../../../src/listener/http1/reply.ts';
import { HOST, startGateway } from '../../support/gateway.ts';
import { RawConnection, requestHead } from '../../support/raw-client.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Refers weakly to every answer that a gateway in this process begins. */
function watchReplies() {
  const replies: WeakRef<Http1Reply>[] = [];
  const onStart = (message: unknown) => {
    const { response } = message as { readonly response: ServerResponse };
    if (response instanceof Http1Reply) replies.push(new WeakRef(response));
  };
  subscribe('http.server.request.start', onStart);
  return { replies, [Symbol.dispose]: () => void unsubscribe('http.server.request.start', onStart) };
}

test('an idle connection keeps neither its last request nor the answer to it', async () => {
  using watched = watchReplies();
  await using gateway = await startGateway();
  await using open = new AsyncDisposableStack();
  for (let index = 0; index < 20; index += 1) {
    const connection = open.use(await RawConnection.open(gateway.port));
    connection.write(requestHead('GET', '/x', [HOST]));
    expect((await connection.response()).status).toBe(401);
  }
  expect(watched.replies).toHaveLength(20);
  // The process has just used the last one and may still refer to it.
  const kept = () => {
    collectGarbage();
    return watched.replies.filter((reply) => reply.deref() !== undefined).length;
  };
  await expect.poll(kept, { interval: 100 }).toBeLessThanOrEqual(2);
  expect(gateway.gateway.connectionCount()).toBe(20);
});
