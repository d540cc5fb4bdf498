/**
 * Screens described requests: a question of a listed proxy becomes the request that a client sent, which the gateway's own
 * `sanitize` then judges. It judges the framing of the question as well, which says nothing about the client's body.
 */

import type { BlockList } from 'node:net';
import { Denial } from '../errors.ts';
import { isInList } from '../lib/address.ts';
import type { RawRequest, Sanitizer, ScreenedRequest } from '../sanitize/sanitize.ts';
import { DESCRIBING, type DescribedBy, type Description, describedRequest } from './description.ts';
import { FORM_PATHS, formOf } from './form.ts';

const NOT_LISTED = new Denial('peer_forbidden', 'peer is not in `peers` of the listener');
const NO_FORM = new Denial(
  'route_not_found',
  `no such question: proxies ask at ${Object.values(FORM_PATHS).join(', ')}/…`,
);

/** For a handshake over HTTP/2, which has no key (RFC 8441 §5): the proxy that asks makes one for the upstream. */
const NO_KEY = 'AAAAAAAAAAAAAAAAAAAAAA==';

/** The stage in front of the authorizer's pipeline. */
export class DescribedSanitizer {
  readonly #sanitizer: Pick<Sanitizer, 'screen'>;
  readonly #peers: BlockList | null;
  readonly #describedBy: DescribedBy;

  /** @param sanitizer  trusts the peers as proxies */
  constructor(sanitizer: Pick<Sanitizer, 'screen'>, peers: BlockList | null, describedBy: DescribedBy = 'headers') {
    this.#sanitizer = sanitizer;
    this.#peers = peers;
    this.#describedBy = describedBy;
  }

  /** @returns the described request, or a Denial of `sanitize` | `peer_forbidden` | `route_not_found` */
  screen(question: RawRequest): ScreenedRequest | Denial {
    if (this.#peers === null || !isInList(this.#peers, question.peer.address)) return NOT_LISTED;
    const form = formOf(question.target);
    if (form === null) return NO_FORM;
    const described = describedRequest(form, question, this.#describedBy);
    if (described instanceof Denial) return described;
    const screened = this.#sanitizer.screen(asSent(question, described));
    // Every answer of a preflight is 2xx, which a proxy takes as permission to forward: it is a request like any other
    // here.
    if (!(screened instanceof Denial)) screened.fields.requestedMethod = null;
    return screened;
  }
}

/** The described request as its client sent it, with the framing of the question. */
function asSent(question: RawRequest, { method, host, target, scheme }: Description): RawRequest {
  const rawHeaders = ['Host', host];
  let [hasProto, hasUpgrade, hasKey, isHandshake] = [false, false, false, question.isUpgrade];
  const received = question.rawHeaders;
  for (let index = 0; index + 1 < received.length; index += 2) {
    const name = received[index] as string;
    const lower = name.toLowerCase();
    if (DESCRIBING.has(lower)) continue;
    rawHeaders.push(name, received[index + 1] as string);
    if (lower === 'x-forwarded-proto') hasProto = true;
    else if (lower === 'upgrade') hasUpgrade = true;
    else if (lower === 'sec-websocket-key') hasKey = true;
    else if (lower === 'sec-websocket-version') isHandshake = true;
  }
  if (!hasProto && scheme !== null) rawHeaders.push('X-Forwarded-Proto', scheme);
  // Most proxies ask without Upgrade, which concerns their own connection. A browser sends the others with every handshake,
  // and no page can (Fetch §2.2.2): without them, a handshake would pass as a GET, whose origin is not checked (WS-02).
  isHandshake ||= hasKey;
  if (isHandshake && !hasUpgrade) rawHeaders.push('Upgrade', 'websocket');
  if (isHandshake && !hasKey) rawHeaders.push('Sec-WebSocket-Key', NO_KEY);
  // nginx asks over HTTP/1.0, whatever the client speaks.
  const httpVersion = isHandshake ? '1.1' : question.httpVersion;
  return { method, target, httpVersion, rawHeaders, isUpgrade: isHandshake, peer: question.peer };
}
