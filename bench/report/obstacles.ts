/** What stands in the way of the goals that are not reached: prose of the page, kept beside the code that shows it. */

const OBSTACLES: Readonly<Record<string, string>> = {
  'warm session ÷ bare relay':
    'Route, checks of every header, access log and metrics cost about a sixth of the request, and all of it is beside what the relay does.',
  'service token not seen before ÷ bare relay':
    'One ES256 verification and one signature by OpenSSL cost about twice what the relay does, and a request with a known token as much as the relay. That leaves the relay once for decoding, JSON, caches and garbage, which take more.',
  'warm session ÷ nginx, which checks nothing':
    "Node's HTTP server and its system calls alone cost more than nginx does for the whole request: see the bare relay.",
  'oauth2-proxy ÷ warm session': 'oauth2-proxy signs nothing, and is written in Go.',
  'Heimdall ÷ service token': 'Heimdall keeps tokens that it has checked and signed, as Sallyport does.',
  'a session not seen before ÷ warm':
    'A read from Redis, one ES256 signature and three turns of the event loop. The signature alone is about half of a warm request.',
  'access log and metrics on ÷ off':
    'A line of the access log is formatted and written for each request; a scrape formats every series.',
  'traces of 1 % ÷ none':
    'Noise: the same gateway twice, both without traces, gave 0.97 with a wider spread (0.55–2.6) in the same run.',
  '10,000 routes ÷ 10, whole request': 'A larger table has more cache misses; the steps of a look-up are the same.',
  'added latency, p50':
    'The gateway does more than the relay does: the difference of their CPU times, and their queues.',
  'added latency, p99': 'Collections of garbage, and the bursts that queue behind each of them.',
  'memory with 10,000 idle connections':
    "The bare relay needs as much for each connection: it is Node's socket and parser, most of it outside of the heap of JavaScript. Before the first connection, the gateway has its program and its routes in memory.",
  '2 workers ÷ 1, throughput with twice the CPU':
    'Two processes share the caches of one core here: two gateways of one process each lose most of it as well.',
  'download of 100 MiB: CPU ÷ nginx':
    'Every part passes through a stream of Node, is counted for the timeouts of slow clients, and is copied twice; nginx moves it by buffers that it owns.',
};

/** What stands in the way of a goal; an honest blank where nobody knows yet. */
export const obstacleOf = (title: string): string => OBSTACLES[title] ?? 'Not known yet.';
