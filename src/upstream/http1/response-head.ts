/**
 * Reads the head of an answer. Strict: what two readers could interpret differently is refused, never repaired (RFC 9112 §4 to
 * §6), so that no answer can hide another one.
 */

import { UpstreamFault } from '../../errors.ts';
import { listItems } from '../../lib/http/field.ts';
import { trim } from '../../lib/text/trim.ts';
import { addField, noFields, type ReceivedFields } from '../dispatch.ts';
import type { BodyLength } from './response-body.ts';

/** The head of an answer. */
export interface ResponseHead {
  readonly status: number;
  /** Lower-case names, a list where a name came more than once; without a prototype. */
  readonly fields: ReceivedFields;
  /** Of the body. */
  readonly length: BodyLength;
  /** How long the connection may then wait for another request, in milliseconds; 0 or less: it may carry none. */
  readonly idleMs: number;
}

/** Fields of one head. The bytes are limited where they come in. */
const MAX_FIELDS = 1_000;

/** Some servers say HTTP/2.0 for no reason; their answers are framed, and their connections closed, as for HTTP/1.0. */
const STATUS_LINE = /^HTTP\/(?:1\.([01])|2\.0) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?\r\n/;
const FIELD_LINES = /^(?:[!#$%&'*+\-.^_`|~\dA-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;
const LENGTH = /^\d{1,15}$/;
const TIMEOUT = /timeout=(\d{1,9})/;

/** How long an idle connection is kept if the server does not say how long it keeps it; otherwise a margin less than that. */
export const DEFAULT_IDLE_MS = 4_000;
const IDLE_MARGIN_MS = 2_000;
const MAX_IDLE_MS = 600_000;

/** An answer that breaks the protocol. */
export const invalid = (what: string): UpstreamFault =>
  new UpstreamFault('upstream_protocol', `invalid answer (${what})`);

/**
 * Reads a head, and says where its body ends (RFC 9112 §6.3).
 *
 * @param text    status line and field lines as Latin-1, each with its CRLF, without the empty line
 * @param method  of the request
 * @throws UpstreamFault `upstream_protocol`
 */
export function readResponseHead(text: string, method: string): ResponseHead {
  const line = STATUS_LINE.exec(text);
  if (line === null) throw invalid('status line');
  const fields = readFields(text, line[0].length);
  const announced = announcedLength(fields);
  const status = Number(line[2]);
  const isMinor1 = line[1] === '1';
  // HTTP/1.0 has none (RFC 9110 §15.2).
  if (status < 200 && !isMinor1) throw invalid('interim answer of another version');
  const isBodiless = status === 204 || status === 304;
  const length = isBodiless || method === 'HEAD' ? 0 : (announced ?? Number.POSITIVE_INFINITY);
  // Some servers send a body where they announce one, although there can be none.
  const isClear = isBodiless ? announced === null || announced === 0 : announced !== null;
  // HTTP/1.0 has no chunks: a server that sends them does not know where its answer ends (RFC 9112 §6.1).
  const isKept = isClear && staysOpen(fields['connection'], isMinor1) && (isMinor1 || announced !== 'chunked');
  return { status, fields, length, idleMs: isKept ? idleTimeMs(fields['keep-alive']) : 0 };
}

const BARE_LF = /[^\r]\n/;

/** Whether a head can begin like this; otherwise there is no point in waiting for more. @param from  offset up to which it was checked */
export const mayBecomeHead = (bytes: Buffer, from: number): boolean =>
  'HTTP/'.startsWith(bytes.toString('latin1', 0, 5)) && !BARE_LF.test(bytes.toString('latin1', Math.max(0, from - 1)));

const NO_TRAILERS: ReceivedFields = Object.freeze({});

/**
 * Reads the trailer section of an answer, as {@link readResponseHead} reads headers. What they mean is not checked.
 *
 * @throws UpstreamFault `upstream_protocol`
 */
export const readTrailers = (text: string): ReceivedFields => (text === '' ? NO_TRAILERS : readFields(text, 0));

/** Whether a Connection header has an option. */
export const hasOption = (connection: string | string[] | undefined, option: string): boolean =>
  connection !== undefined && listItems(String(connection)).includes(option);

function readFields(text: string, start: number): ReceivedFields {
  if (!FIELD_LINES.test(start === 0 ? text : text.slice(start))) throw invalid('field line');
  const fields = noFields();
  let count = 0;
  for (let at = start; at < text.length; ) {
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r', colon);
    addField(fields, text.slice(at, colon).toLowerCase(), trim(text.slice(colon + 1, end)));
    at = end + 2;
    count += 1;
  }
  if (count > MAX_FIELDS) throw invalid('too many fields');
  return fields;
}

/**
 * What the head says about the length of a body; `null`: nothing. The same length twice is refused as well: only a broken server sends
 * that. The client gets it as a plain number.
 */
function announcedLength(fields: ReceivedFields): BodyLength | null {
  const coding = fields['transfer-encoding'];
  const value = fields['content-length'];
  if (coding !== undefined) {
    // The gateway offers to take no other coding (RFC 9112 §6.1).
    if (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked') throw invalid('transfer coding');
    if (value !== undefined) throw invalid('both length and transfer coding');
    return 'chunked';
  }
  if (value === undefined) return null;
  if (typeof value !== 'string' || !LENGTH.test(value)) throw invalid('Content-Length');
  fields['content-length'] = String(Number(value));
  return Number(value);
}

function staysOpen(connection: string | string[] | undefined, isMinor1: boolean): boolean {
  if (connection === 'keep-alive') return true;
  return !hasOption(connection, 'close') && (isMinor1 || hasOption(connection, 'keep-alive'));
}

function idleTimeMs(keepAlive: string | string[] | undefined): number {
  const said = keepAlive === undefined ? null : TIMEOUT.exec(String(keepAlive));
  return said === null ? DEFAULT_IDLE_MS : Math.min(Number(said[1]) * 1_000 - IDLE_MARGIN_MS, MAX_IDLE_MS);
}
