/** Reads the files of the upstreams of one configuration, and opens them. */

import { type FileReader, readCa, readPair } from '../config/files/named-files.ts';
import type { Clock } from '../lib/clock.ts';
import type { UpstreamTls } from './connect.ts';
import { speaksHttp2, type UpstreamConfig } from './section.ts';
import type { UpstreamSeries } from './series.ts';
import { Upstream } from './servers/upstream.ts';

type Upstreams = ReadonlyMap<string, Upstream>;

/** Reads the TLS files of an upstream: CA and client certificate by themselves, so that one does not hide the other. */
export async function readUpstream(
  name: string,
  { tls }: UpstreamConfig,
  reader: FileReader,
): Promise<UpstreamTls | null> {
  if (tls === undefined) return null;
  const at = ['upstreams', name, 'tls'];
  const { caFile, certFile = '', keyFile, serverName = null } = tls;
  const [ca, pair] = await Promise.all([
    reader.read([...at, 'caFile'], caFile, readCa, null),
    reader.read([...at, 'keyFile'], keyFile, (path) => readPair(at, { certFile, keyFile: path }), null),
  ]);
  return { ca, serverName, cert: pair?.cert ?? null, key: pair?.key ?? null };
}

/**
 * Opens the upstreams. No connection is made before a request needs one.
 *
 * @param files     what {@link readUpstream} gave, by name
 * @param previous  upstreams that did not change, their TLS files included, are taken over with their connections
 */
export function openUpstreams(
  sections: Readonly<Record<string, UpstreamConfig>>,
  files: ReadonlyMap<string, UpstreamTls | null>,
  {
    monotonicMs,
    series,
    previous,
  }: { readonly monotonicMs: Clock; readonly series: UpstreamSeries; readonly previous: Upstreams | null },
): Upstreams {
  return new Map(
    Object.entries(sections).map(([name, section]) => {
      series.zero(name, { isHttp2: speaksHttp2(section) });
      const tls = files.get(name) ?? null;
      const present = previous?.get(name);
      return [name, present?.isMadeBy(section, tls) === true ? present : new Upstream(name, section, tls, monotonicMs)];
    }),
  );
}
