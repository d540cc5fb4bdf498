/** What an HTTP/2 connection may cost: keys of `listeners.public.limits`. */

import { count, size } from '../../config/fields.ts';

/** The keys, all for each connection. What one request may have is limited as on HTTP/1.1. */
export const HTTP2_LIMITS = {
  maxConcurrentStreams: count(100, { atMost: 10_000 }).meta({
    description:
      'HTTP/2: requests in progress on one connection, which clients are told; one that begins more loses its connection.',
    restart: true,
  }),
  maxStreamResets: count(200, { atMost: 100_000 }).meta({
    description:
      'HTTP/2: requests per minute that a client may give up before they are answered, besides one for every two that are answered; then its connection is closed.',
    restart: true,
  }),
  maxControlFrames: count(1_000, { atMost: 1_000_000 }).meta({
    description:
      'HTTP/2: PING and SETTINGS frames per minute, besides one for each part of an answer; then the connection is closed.',
    restart: true,
  }),
  maxSessionMemory: size('10MiB').meta({
    description:
      'HTTP/2: memory for the protocol of one connection, whole MiB; requests that begin beyond it are refused.',
    restart: true,
  }),
};
