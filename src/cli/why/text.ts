/** why: what happened to a request, and what to do about it. This file: the text for people. */

import { REASONS } from '../../errors.ts';
import type { RecentRequest } from '../../telemetry/recent-requests.ts';
import { withoutControls } from '../io/output.ts';
import { ADVICE, type Advice } from './advice.ts';

/** The advice on the outcome of a request; `null` for one that was neither refused nor failed, or by another version. */
export const adviceOn = ({ reason }: RecentRequest): Advice | null =>
  reason !== null && Object.hasOwn(ADVICE, reason) ? ADVICE[reason] : null;

/** Writes labelled lines. What the gateway does not know is left out. */
export function whyText(request: RecentRequest): string {
  const advice = adviceOn(request);
  const lines: readonly (readonly [label: string, text: string | null])[] = [
    ['Request', requestLine(request)],
    ['Received', `${request.time} on listener ${request.listener}, from ${request.client}`],
    ['Route', request.route],
    ['Principal', principal(request)],
    ['Upstream', upstream(request)],
    ['Answer', answer(request)],
    ['Rule', request.note],
    ['Fault', request.fault === null ? null : fault(request.fault)],
    ['Cause', advice?.cause ?? null],
    ['Cure', advice?.cure ?? null],
  ];
  return lines
    .flatMap(([label, text]) => (text === null ? [] : [`${label.padEnd(11)}${withoutControls(text)}\n`]))
    .join('');
}

function requestLine({ method, path, host }: RecentRequest): string {
  if (path === null) return method === null ? 'could not be read' : `${method}, refused before its target was read`;
  return `${method} ${path} on ${host}`;
}

const principal = ({ kind, subject, status, reason }: RecentRequest): string | null => {
  if (kind === null) return status < 400 || reason === null ? null : 'none identified';
  return subject === null ? kind : `${kind} ${subject}`;
};

function upstream({ upstream: name, upstreamFirstByteMs }: RecentRequest): string | null {
  if (name === null) return null;
  if (upstreamFirstByteMs === null) return `${name}, did not start to answer`;
  return `${name}, started to answer after ${milliseconds(upstreamFirstByteMs)}`;
}

function answer({ status, reason, durationMs }: RecentRequest): string {
  const title = reason !== null && Object.hasOwn(REASONS, reason) ? `: ${REASONS[reason].title}` : '';
  return `${status}${reason === null ? '' : ` ${reason}`}${title}, after ${milliseconds(durationMs)}`;
}

const fault = (fields: Readonly<Record<string, string>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
