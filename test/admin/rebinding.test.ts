/** S8: a page that has rebound its own name to the admin listener, in a real browser that imitates a scraper. */

import { expect, test } from 'vitest';
import { TestBrowser } from '../support/browsers/browser.ts';
import { startInstance } from '../support/instance.ts';

test('S8, CSRF-15: a page cannot read metrics under a rebound name, whatever headers it sets', async () => {
  await using instance = await startInstance();
  await using browser = await TestBrowser.launch(['--host-resolver-rules=MAP evil.test 127.0.0.1']);
  const { page } = await browser.profile();
  // Any answer gives the browser a document of that origin.
  await page.goto(`http://evil.test:${instance.adminPort}/livez`);
  const seen = await page.evaluate(async () => {
    const bare = { 'User-Agent': 'Prometheus/3.5.0', 'Accept-Language': '', Accept: '*/*', 'Accept-Encoding': 'gzip' };
    const quiet = { referrerPolicy: 'no-referrer', credentials: 'omit', cache: 'no-store' } as const;
    const answers = [await fetch('/metrics'), await fetch('/metrics', { headers: bare, ...quiet })];
    return Promise.all(answers.map(async (answer) => `${answer.status} ${await answer.text()}`));
  });
  expect(seen).toHaveLength(2);
  for (const answer of seen) expect(answer).toMatch(/^421 .*listeners\.admin\.allowedHosts/);
});
