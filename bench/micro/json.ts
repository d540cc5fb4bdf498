/** Finding duplicate members in a JSON text: by the names of each object against by counting (src/lib/text/json.ts). */

import { hasDuplicateMember } from '../../src/lib/text/json.ts';
import { compare } from './compare.ts';

const claims = {
  iss: 'https://kubernetes.default.svc',
  sub: 'system:serviceaccount:shop:cart',
  aud: ['https://shop.example.com'],
  iat: 1_800_000_000,
  nbf: 1_800_000_000,
  exp: 1_800_003_600,
  jti: 'f4d2e1d0-98aa-4b0e-9f31-000000000000',
  'kubernetes.io': {
    namespace: 'shop',
    node: { name: 'node-1', uid: '11111111-98aa-4b0e-9f31-000000000000' },
    pod: { name: 'cart-7d9c', uid: '22222222-98aa-4b0e-9f31-000000000000' },
    serviceaccount: { name: 'cart', uid: '33333333-98aa-4b0e-9f31-000000000000' },
  },
};
const text = JSON.stringify(claims);

/** Keeps the names of every open object. */
function byNames(json: string): boolean {
  const scopes: (Set<string> | null)[] = [];
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;
  let isKeyPlace = false;
  for (let match = tokens.exec(json); match !== null; match = tokens.exec(json)) {
    const token = match[0];
    if (token === '{' || token === '[') {
      scopes.push(token === '{' ? new Set() : null);
      isKeyPlace = token === '{';
    } else if (token === '}' || token === ']') {
      scopes.pop();
      isKeyPlace = false;
    } else if (token === ',') {
      isKeyPlace = scopes.at(-1) != null;
    } else if (token === ':') {
      isKeyPlace = false;
    } else if (isKeyPlace) {
      const names = scopes.at(-1);
      const name = JSON.parse(token) as string;
      if (names?.has(name)) return true;
      names?.add(name);
      isKeyPlace = false;
    }
  }
  return false;
}

compare(import.meta.url, 'duplicate members in the claims of a ServiceAccount', [
  { name: 'the names of each object', once: () => byNames(text) },
  { name: 'hasDuplicateMember', once: () => hasDuplicateMember(text, claims) },
  { name: '(JSON.parse)', once: () => JSON.parse(text) },
]);
