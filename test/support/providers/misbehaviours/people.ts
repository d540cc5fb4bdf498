/** Claims about a person that must not fool an allow rule (OIDC-17). */

import type { Claims, Misbehaviour } from '../misbehaviour.ts';

const person = (changed: Claims): Misbehaviour => ({
  claims: (honest) => ({ ...honest, ...changed }),
  userinfo: (honest) => ({ ...honest, ...changed }),
});

export const PEOPLE = {
  'email-unverified': person({ email_verified: false }),
  'email-verified-unsaid': person({ email_verified: undefined }),
  'email-verified-a-string': person({ email_verified: 'true' }),
  'email-verified-a-number': person({ email_verified: 1 }),
  'email-of-other-domain': person({ email: 'mallory@evil.example' }),
  'email-two-ats': person({ email: 'mallory@evil.example@example.com' }),
  'email-quoted-at': person({ email: '"mallory@evil.example"@example.com' }),
  'email-with-comment': person({ email: 'mallory@evil.example(@example.com' }),
  'email-of-sub-domain': person({ email: 'mallory@evil.example.com' }),
  'email-of-longer-domain': person({ email: 'mallory@notexample.com' }),
  'email-domain-as-suffix': person({ email: 'mallory@example.com.evil.example' }),
  'email-homoglyph': person({ email: 'mallory@ex\u0430mple.com' }),
  'email-full-width': person({ email: 'mallory@\uff45xample.com' }),
  'email-kelvin-sign': person({ email: 'mallory@example.\u0441om' }),
  'email-with-newline': person({ email: 'mallory@evil.example\n@example.com' }),
  'email-with-nul': person({ email: 'mallory@example.com\u0000.evil.example' }),
  'email-upper-case-domain': person({ email: 'mallory@EXAMPLE.com' }),
  'email-a-list': person({ email: ['mallory@evil.example', 'mallory@example.com'] }),
  'email-an-object': person({ email: { toString: 'mallory@example.com' } }),
  'email-missing': person({ email: undefined }),
  'email-without-local-part': person({ email: '@example.com' }),
  'groups-a-string': person({ groups: 'staff,admins' }),
  'groups-with-objects': person({ groups: [{ name: 'admins' }, null, 7, 'staff'] }),
  'groups-by-thousands': person({ groups: Array.from({ length: 20_000 }, (_, index) => `group-${index}`) }),
  'groups-overage': person({
    groups: undefined,
    _claim_names: { groups: 'src1' },
    _claim_sources: { src1: { endpoint: 'http://169.254.169.254/groups' } },
  }),
  'claims-of-the-gateway': person({
    roles: ['admin'],
    aud2: 'x',
    client_id: 'gateway',
    scope: 'everything',
    act: { sub: 'x' },
  }),
  'name-with-markup': person({ name: '<script>alert(1)</script>\r\nSet-Cookie: a=b' }),
  'sub-of-local-user': person({ sub: 'demo' }),
  'sub-with-separator': person({ sub: 'other|admin' }),
  'sub-with-controls': person({ sub: 'mallory\r\nX: y\u0000' }),
  'sub-not-ascii': person({ sub: 'm\u0430llory' }),
} satisfies Record<string, Misbehaviour>;
