/**
 * The archive for a bug report: the findings of doctor, and what they are based on. No secret: configurations are
 * those of `GET /-/config` and `validate`, with secrets removed; requests are without address, path, host and
 * subject.
 */

import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ConfigFault } from '../../errors.ts';
import type { RecentRequest } from '../../telemetry/recent-requests.ts';
import { VERSION } from '../../version.ts';
import type { DoctorFinding } from './finding.ts';
import type { Observation } from './observe.ts';
import { type ArchivedText, tarOf } from './tar.ts';
import { doctorText } from './text.ts';

/** @throws ConfigFault when the file cannot be written */
export async function writeBundle(path: string, seen: Observation, findings: readonly DoctorFinding[]): Promise<void> {
  const archive = await promisify(gzip)(tarOf(bundledFiles(seen, findings), seen.atMs));
  try {
    // It names routes, servers and findings, so its owner should read it before sharing it.
    await writeFile(path, archive, { mode: 0o600 });
  } catch (cause) {
    throw new ConfigFault(`${path} cannot be written`, { cause });
  }
}

function bundledFiles(seen: Observation, findings: readonly DoctorFinding[]): readonly ArchivedText[] {
  const { file, gateway, store } = seen;
  const json = (name: string, value: unknown) => ({
    name: `sallyport/${name}.json`,
    text: `${JSON.stringify(value, null, 2)}\n`,
  });
  return [
    { name: 'sallyport/doctor.txt', text: doctorText(findings) },
    json('doctor', findings),
    json('versions', { doctor: VERSION, node: process.version, platform: `${process.platform} ${process.arch}` }),
    json('store', store),
    json('status', gateway.status),
    json('recent-requests', gateway.requests.map(withoutPerson)),
    json('configuration-of-the-process', gateway.configuration),
    json(
      'configuration-of-the-file',
      file.loaded === null ? null : { hash: file.loaded.hash, config: file.loaded.effective },
    ),
    ...(gateway.metrics === null ? [] : [{ name: 'sallyport/metrics.txt', text: gateway.metrics }]),
  ];
}

/** A path may contain a secret, such as that of a password reset; the other fields identify the person. */
function withoutPerson(request: RecentRequest): Partial<RecentRequest> {
  const { client: _client, host: _host, path: _path, subject: _subject, ...rest } = request;
  return rest;
}
