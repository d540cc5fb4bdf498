/** Reads one document of an identity provider, with what its connection and its headers say: certificate, clock. */

import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type { Pair } from '../../config/files/named-files.ts';
import type { Clocks } from '../../lib/clock.ts';
import { nearestErrorCode } from '../../lib/error-code.ts';
import { SmallRequests } from '../../lib/http/small-requests.ts';
import { fromTimestamp, toTimestamp } from '../../lib/text/timestamp.ts';
import { type Finding, failure, note, ok, printable, warn } from './finding.ts';

const MAX_BODY_BYTES = 1024 * 1024;
const DAY_MS = 86_400_000;
/** Certificates that end sooner get a warning. */
const MIN_CERTIFICATE_DAYS = 14;

/** How a provider is reached. */
export interface Reach {
  readonly timeoutMs: number;
  /** PEM; `null` for the CAs of the system. */
  readonly ca: string | null;
  /** Of the gateway, for a server that asks for one; `null` without one. */
  readonly certificate: Pair | null;
}

/** An answer, not followed anywhere. */
export interface Answer {
  readonly status: number;
  readonly location: string | null;
  /** Of its `Date`; `null` without one. */
  readonly dateMs: number | null;
  readonly text: string;
}

/**
 * Sends a GET.
 *
 * @throws Error whose message is the code of the system, of OpenSSL or of Node, as a rejection
 */
export async function get(url: string, { timeoutMs, ca, certificate }: Reach, accept: string): Promise<Answer> {
  const requests = new SmallRequests({ ca, certificate, maxConnections: 1, maxBodyBytes: MAX_BODY_BYTES });
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const { status, headers, text } = await requests.send(new URL(url), { method: 'GET', headers: { accept }, signal });
    const dateMs = fromTimestamp(headers.date ?? '');
    return { status, location: headers.location ?? null, dateMs: Number.isNaN(dateMs) ? null : dateMs, text };
  } catch (thrown) {
    throw new Error(codeOf(thrown), { cause: thrown });
  } finally {
    requests.close();
  }
}

function codeOf(thrown: unknown): string {
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return 'no whole answer in time';
  return nearestErrorCode(thrown) ?? 'the request failed';
}

/** How far apart the clocks are. `Date` is in whole seconds, and the answer took a while. */
export function clockFinding(dateMs: number | null, nowMs: number, clockSkewMs: number): Finding {
  if (dateMs === null) return note('clock', 'the provider does not send its time');
  const seconds = Math.round((dateMs - nowMs) / 1_000);
  const apart = `the provider's clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(seconds) <= 2) return ok('clock', 'as here');
  if (Math.abs(seconds) * 1_000 <= clockSkewMs) return note('clock', `${apart}, within clockSkew`);
  return failure('clock', `${apart}, more than clockSkew (${clockSkewMs / 1_000} s): its ID tokens are refused`);
}

/** Until when the certificate of a server is valid. */
export async function certificateFinding(address: string, reach: Reach, clocks: Clocks): Promise<Finding> {
  const url = new URL(address);
  if (url.protocol === 'http:') return note('certificate', 'none: plain http on this machine');
  let untilMs: number;
  try {
    untilMs = await validUntilMs(url, reach);
  } catch (thrown) {
    return failure('certificate', codeOf(thrown));
  }
  return endFinding('certificate', 'trusted', untilMs, clocks.wallMs());
}

/** Until when the gateway's own certificate is valid, and its subject. @param pem  usable: it was read with its key */
export function clientCertificateFinding(pem: string, nowMs: number): Finding {
  const about = 'client certificate';
  const { subject, issuer, validFrom, validTo } = new X509Certificate(pem);
  const [fromMs, untilMs] = [fromTimestamp(validFrom), fromTimestamp(validTo)];
  const named = `of ${printable(subject.replaceAll('\n', ', '))}${subject === issuer ? ', self-signed' : ''}`;
  if (fromMs > nowMs) return failure(about, `${named}: holds only from ${toTimestamp(fromMs)}`);
  if (untilMs <= nowMs) return failure(about, `${named}: ended on ${toTimestamp(untilMs)}`);
  return endFinding(about, named, untilMs, nowMs);
}

function endFinding(about: string, said: string, untilMs: number, nowMs: number): Finding {
  const until = toTimestamp(untilMs);
  const days = Math.floor((untilMs - nowMs) / DAY_MS);
  return days < MIN_CERTIFICATE_DAYS
    ? warn(about, `ends in ${days} days, on ${until}`)
    : ok(about, `${said}, until ${until}`);
}

function validUntilMs({ hostname, port }: URL, { timeoutMs, ca, certificate }: Reach): Promise<number> {
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, '');
    const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    const trust = ca === null ? {} : { ca };
    const socket = connect({ host, port: port === '' ? 443 : Number(port), ...name, ...trust, ...certificate }, () => {
      resolve(fromTimestamp(socket.getPeerCertificate().valid_to));
      socket.destroy();
    });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')));
    socket.once('error', reject);
  });
}
