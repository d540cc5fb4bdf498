/** What an HTTP/2 connection may cost: keys of `listeners.public.limits`. */

import { count, size } from '../../config/fields.ts';

/** The keys, all for each connection. What one request may have is limited as on HTTP/1.1. */
export const HTTP2_LIMITS = {
  maxConcurrentStreams: count(100, { atMost: 10_000 }).meta({
    description:
      'HTTP/2: requests in progress on one connection. Announced to clients; one that exceeds it loses its connection.',
    restart: true,
  }),
  maxStreamResets: count(200, { atMost: 100_000 }).meta({
    description:
      'HTTP/2: requests per minute that a client may abandon before they are answered, plus one for every two that are answered. More close its connection.',
    restart: true,
  }),
  maxControlFrames: count(1_000, { atMost: 1_000_000 }).meta({
    description:
      'HTTP/2: PING and SETTINGS frames per minute, plus one for each part of an answer. More close the connection.',
    restart: true,
  }),
  maxConnectionMemory: size('10MiB').meta({
    description: 'HTTP/2: protocol memory of one connection, in whole MiB. Requests that would exceed it are refused.',
    restart: true,
  }),
};
