/** Checks that a peer does its job: answers, refuses, and passes on what is said of it. */

import assert from 'node:assert/strict';
import { decodeJwt, importJWK, jwtVerify } from 'jose';
import { ANSWER, INSPECT_PATH, type Received } from '../load/answer.ts';
import { get } from '../load/http.ts';
import type { Peer, RunningPeer } from './peers.ts';
import type { Place } from './place.ts';

/** @throws AssertionError when it does not */
export async function checkPeer(
  { name, job, passes }: Omit<Peer, 'start'>,
  { port, base, credentials }: Omit<RunningPeer, 'version'>,
  place: Place,
): Promise<void> {
  const { header, values } = await credentials(1);
  const credential = { [header]: values[0] as string };
  const { status, body } = await get(port, `${base}/orders`, credential);
  assert.deepEqual({ status, body }, { status: 200, body: ANSWER }, `${name}: the answer`);
  if (job === 'forward') return;

  const refused = await get(port, `${base}/orders`);
  assert.notEqual(refused.body, ANSWER, `${name}: nobody is refused`);
  assert.ok([302, 401, 403].includes(refused.status), `${name}: nobody is refused, with ${refused.status}`);

  const inspected = await get(port, `${base}${INSPECT_PATH}`, credential);
  const { headers } = JSON.parse(inspected.body) as Received;
  const tokens = headers.flatMap((text) => /^(?:Bearer )?(eyJ[\w-]+\.[\w-]+\.[\w-]+)$/.exec(text)?.[1] ?? []);
  const presented = values[0]?.replace('Bearer ', '');
  const passed = tokens.filter((token) => token !== presented);
  assert.equal(passed.length, 1, `${name}: the upstream gets one token, which is not the caller's`);
  const token = passed[0] as string;
  assert.match(decodeJwt(token).sub ?? '', job === 'service' ? /^service-0$/ : /^user-0$/, `${name}: of the caller`);
  if (passes !== 'own token') return;
  const { payload } = await jwtVerify(token, await importJWK(place.signer), {
    issuer: 'https://shop.example.com',
    algorithms: ['ES256'],
  });
  assert.ok([payload.aud].flat().includes('orders'), `${name}: for the upstream`);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 120, `${name}: for two minutes`);
}
