/** Certificates that follow their files: what is reported when reads overlap. */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { FileReader } from '../../../src/config/files/named-files.ts';
import { systemClocks } from '../../../src/lib/clock.ts';
import { CertificateFiles } from '../../../src/listener/http1/certificate-files.ts';
import { readTls } from '../../../src/listener/http1/tls.ts';
import type { TlsConfig } from '../../../src/listener/section.ts';
import { ListenerSeries } from '../../../src/listener/series.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { MetricRegistry } from '../../../src/telemetry/registry.ts';
import { CapturedLog } from '../../support/gateway.ts';
import { TestAuthority, CertificateFiles as WrittenFiles } from '../../support/issuers/certificates.ts';

test('a reload that began to read before the watcher still reports the unusable certificate', async () => {
  const written = new WrittenFiles();
  onTestFinished(() => written[Symbol.dispose]());
  const pair = written.write('shop', new TestAuthority().issue({ names: ['shop.example.com'] }));
  const config = { certificates: [pair] } as unknown as TlsConfig;
  const reading = async () => {
    const reader = new FileReader(systemClocks);
    return { files: await readTls(config, reader), mistakes: reader.mistakes };
  };
  const { files } = await reading();
  const certificates = new CertificateFiles(config, files, undefined, {
    clocks: systemClocks,
    log: createLog('debug', new CapturedLog()),
    series: new ListenerSeries(new MetricRegistry()),
  });
  onTestFinished(() => certificates.close());
  const good = readFileSync(pair.certFile);
  writeFileSync(pair.certFile, 'garbage');
  const earlier = await reading();
  const later = await reading();
  const kept = certificates.use(config, later.files, later.mistakes);
  expect(kept).toEqual([
    expect.stringMatching(/shop.* is not a PEM certificate; the previous certificate stays in use$/),
  ]);
  expect(certificates.use(config, earlier.files, earlier.mistakes)).toEqual(kept);
  writeFileSync(pair.certFile, good);
  const mended = await reading();
  expect(certificates.use(config, mended.files, mended.mistakes)).toEqual([]);
});
