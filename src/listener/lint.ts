/** Rules about listeners: their addresses, and the proxies that they trust. */

import type { ListenAddress } from '../config/fields.ts';
import { defineCodes, error, warning } from '../config/findings/problem.ts';
import type { LintContext } from '../config/lint.ts';
import { coversMoreThanPrivate } from '../lib/address.ts';
import type { PublicListenerConfig } from './section.ts';

/** Codes of the findings about listeners. */
export const codes = defineCodes({
  'listeners/same-address': error('Two listeners with the same address.'),
  'listeners/trusts-everyone': warning(
    '`trustedProxies` includes every address, so every client can name its own address.',
  ),
  'tls/expired': warning(
    'A certificate has expired, and there are others. Clients that ask for its names get it only where no other certificate has them.',
  ),
  'tls/uncovered-host': warning(
    'No certificate of the public listener covers a host of `publicOrigin`: browsers that connect to this listener refuse it. Accept this where a proxy in front has the certificate that browsers see.',
  ),
  'login/proxy-unknown': warning(
    'TLS is terminated in front of the gateway, but `trustedProxies` is empty: all password attempts count for one address.',
  ),
});

interface Addressed {
  readonly address: ListenAddress;
}

interface ListenerDraft {
  readonly publicOrigin?: readonly string[] | undefined;
  readonly listeners?:
    | {
        readonly public: PublicListenerConfig;
        readonly redirect?: Addressed | undefined;
        readonly admin: Addressed;
      }
    | undefined;
  readonly outbound?: Addressed | undefined;
  readonly login?: { readonly password?: object | undefined } | undefined;
}

type Context = LintContext<ListenerDraft>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintAddresses(context);
  lintTrustedProxies(context);
  lintProxy(context);
}

function lintAddresses({ draft, source }: Context): void {
  const { listeners } = draft;
  if (listeners === undefined) return;
  const seen: { readonly name: string; readonly address: ListenAddress }[] = [];
  const named = [
    ...Object.entries<Addressed | undefined>(listeners).map(([name, at]) => ({ path: ['listeners', name], at })),
    { path: ['outbound'], at: draft.outbound },
  ];
  for (const { path, at } of named) {
    if (at === undefined) continue;
    const { address } = at;
    const name = path.join('.');
    const other = seen.find((earlier) => collide(earlier.address, address));
    if (other !== undefined) {
      source.report(codes['listeners/same-address'], [...path, 'address'], `${name} has the address of ${other.name}`);
    }
    seen.push({ name, address });
  }
}

/** Whether the second of two listeners could not be opened. Port 0 is any free port. */
function collide(a: ListenAddress, b: ListenAddress): boolean {
  const isAny = ({ host }: ListenAddress) => host === '0.0.0.0' || host === '::';
  return a.port === b.port && a.port !== 0 && (a.host === b.host || isAny(a) || isAny(b));
}

function lintTrustedProxies({ draft, source }: Context): void {
  for (const [index, cidr] of (draft.listeners?.public.trustedProxies ?? []).entries()) {
    if (!coversMoreThanPrivate(cidr)) continue;
    source.report(
      codes['listeners/trusts-everyone'],
      ['listeners', 'public', 'trustedProxies', index],
      `listeners.public.trustedProxies has ${cidr}: every client in it can name its own address`,
      'list the addresses of your proxies',
    );
  }
}

/** Without it, the attempts of all clients count for the address of the proxy. */
function lintProxy({ draft, source }: Context): void {
  const { listeners, publicOrigin } = draft;
  if (listeners === undefined) return;
  const isBehindTls = listeners.public.tls === undefined && publicOrigin?.some((origin) => origin.startsWith('https:'));
  if (draft.login?.password !== undefined && isBehindTls === true && listeners.public.trustedProxies.length === 0) {
    source.report(
      codes['login/proxy-unknown'],
      ['listeners', 'public'],
      'TLS is terminated in front of this listener, but trustedProxies is empty: password attempts of all clients count for the address of the proxy',
      'list the addresses of the proxy in listeners.public.trustedProxies',
      'key',
    );
  }
}
