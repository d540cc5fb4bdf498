import { expect, test } from 'vitest';
import { WrittenReply } from '../src/cli/explain/written-reply.ts';
import { Denial, DependencyFault } from '../src/errors.ts';
import { Exchange } from '../src/exchange.ts';
import { MetricRegistry } from '../src/telemetry/registry.ts';
import { RequestSeries, RouteMetrics } from '../src/telemetry/route-series.ts';

const DENIAL = new Denial('route_forbidden', 'rule of the route');
const HEAD = { method: 'GET', url: '/', httpVersion: '1.1', rawHeaders: [] };
const PEER = { address: '127.0.0.1', secure: false, serverName: null };

const seriesOf = (...routes: string[]) => {
  const requests = new RequestSeries(new MetricRegistry());
  return routes.map((route) => new RouteMetrics(requests, route, null));
};

function begin([unmatched] = seriesOf('_none')) {
  const finished: Exchange[] = [];
  const nothing = () => {};
  const handler = {
    unmatched: unmatched as RouteMetrics,
    begun: nothing,
    handle: nothing,
    refuse: nothing,
    unread: () => ({ mediaType: 'text/html', body: '', headers: [] }),
    finished: nothing,
  };
  const listener = { name: 'test', logText: '', handler, finished: (over: Exchange) => void finished.push(over) };
  return { exchange: new Exchange(listener, new WrittenReply(false), HEAD, PEER, 0), finished };
}

const outcomeOf = ({ reason, note, cause }: Exchange) => ({ reason, note, cause });

test('the outcome is the last refusal or failure, with nothing from an earlier one', () => {
  const { exchange } = begin();
  expect(outcomeOf(exchange)).toEqual({ reason: null, note: null, cause: null });
  const cause = new Error('refused');
  exchange.failed(new DependencyFault('store_unavailable', 'no answer', { cause }));
  expect(outcomeOf(exchange)).toEqual({ reason: 'store_unavailable', note: 'no answer', cause });
  exchange.refused(DENIAL);
  expect(outcomeOf(exchange)).toEqual({ reason: 'route_forbidden', note: 'rule of the route', cause: null });
});

test('a client that disconnects aborts the work, and is the outcome only if there is no other', () => {
  const { exchange } = begin();
  let aborted = 0;
  exchange.work = {
    abort() {
      aborted += 1;
    },
  };
  exchange.clientLeft();
  expect([aborted, exchange.reason]).toEqual([1, 'downstream_aborted']);

  const refused = begin().exchange;
  refused.refused(DENIAL);
  refused.clientLeft();
  expect(refused.reason).toBe('route_forbidden');
});

test('an exchange is in progress without a route first, then on its route, and ends once', () => {
  const [unmatched, route] = seriesOf('_none', 'app') as [RouteMetrics, RouteMetrics];
  const inProgress = () => [unmatched.inFlight.value, route.inFlight.value];
  const { exchange, finished } = begin([unmatched]);
  expect(inProgress()).toEqual([1, 0]);
  exchange.enter(route);
  expect(inProgress()).toEqual([0, 1]);
  exchange.finish();
  exchange.finish();
  expect(inProgress()).toEqual([0, 0]);
  expect(exchange.series).toBe(route);
  expect(finished).toEqual([exchange]);
});

test('an exchange is over once its answer has begun or it has finished', () => {
  const answered = begin().exchange;
  expect(answered.isOver).toBe(false);
  answered.reply.begin(200, []);
  expect(answered.isOver).toBe(true);
  const left = begin().exchange;
  left.finish();
  expect(left.isOver).toBe(true);
});
