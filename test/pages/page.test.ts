import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { html } from '../../src/lib/text/html.ts';
import { type Page, Pages } from '../../src/pages/page.ts';

const stamp = { requestId: 'f00', atMs: Date.UTC(2027, 0, 15, 8) };
const pages = new Pages({ languages: ['en'], accent: {} }, null);
const render = (it: Page) => pages.write(() => it, null, stamp).text;
const page = render({ title: 'A <b> & "c"', body: html`<p>x</p>` });
const style = /<style>([\s\S]*)<\/style>/.exec(page)?.[1] ?? '';

test('a page has a language, one heading and the same title, escaped', () => {
  expect(page).toMatch(/^<!doctype html>\n<html lang="en">\n/);
  expect(page.match(/<h1>/g)).toHaveLength(1);
  expect(page).toContain('<title>A &lt;b&gt; &amp; &quot;c&quot;</title>');
  expect(page).toContain('<h1>A &lt;b&gt; &amp; &quot;c&quot;</h1>');
});

test('a page with a problem says so in its title, and in an alert above the body', () => {
  const text = render({ title: 'Log in', problem: 'That <did> not work.', body: html`<p>x</p>` });
  expect(text).toContain('<title>Error: Log in</title>');
  expect(text).toMatch(/<p class="alert" id="problem" role="alert">That &lt;did&gt; not work\.<\/p>\s*<p>x<\/p>/);
  expect(page).not.toContain('role="alert"');
});

test('a page shows the id and the time of its request', () => {
  expect(page).toMatch(
    /Request id: <code>f00<\/code>.*<time datetime="2027-01-15T08:00:00.000Z">2027-01-15 08:00:00 UTC<\/time>/,
  );
});

test('a note is shown as a status above the body', () => {
  const text = render({ title: 'Log in', note: 'It <ended>.', body: html`<p>x</p>` });
  expect(text).toMatch(/<p class="note" role="status">It &lt;ended&gt;\.<\/p>\s*<p>x<\/p>/);
});

test('the policy allows the style of the page by its hash, and nothing else', () => {
  const { headers } = pages.write(() => ({ title: 'x', body: html`x` }), null, stamp);
  const policy = headers[headers.indexOf('Content-Security-Policy') + 1];
  expect(policy).toContain(`style-src 'sha256-${hash('sha256', style, 'base64')}'`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
});

test('a page loads nothing and does not reveal a version', () => {
  expect(page).not.toMatch(/https?:|url\(|@import|<script|<link|<img|version/i);
});

describe('contrast, in both colour schemes', () => {
  const [light = '', dark = ''] = [...style.matchAll(/:root\{([^}]*)\}/g)].map(([, rules]) => rules);
  const schemes = { light, dark };

  /** Text and its background. */
  const text: [string, string][] = [
    ['ink', 'card'],
    ['ink', 'paper'],
    ['soft', 'card'],
    ['accent', 'card'],
    ['on-accent', 'accent'],
    ['alert', 'alert-paper'],
  ];
  /** Borders of inputs and buttons, and the outline of the focus. */
  const parts: [string, string][] = [
    ['line', 'card'],
    ['alert', 'card'],
    ['accent', 'card'],
    ['accent', 'paper'],
  ];

  for (const [name, scheme] of Object.entries(schemes)) {
    test.each(text)(`WCAG 1.4.3: ${name}, %s on %s is at least 4.5:1`, (front, back) => {
      expect(contrast(colour(scheme, front), colour(scheme, back))).toBeGreaterThanOrEqual(4.5);
    });
    test.each(parts)(`WCAG 1.4.11: ${name}, %s on %s is at least 3:1`, (front, back) => {
      expect(contrast(colour(scheme, front), colour(scheme, back))).toBeGreaterThanOrEqual(3);
    });
  }
});

function colour(scheme: string, name: string): string {
  const value = new RegExp(`--${name}:#([0-9a-f]+)(?:;|$)`).exec(scheme)?.[1];
  if (value === undefined) throw new Error(`no colour ${name}`);
  return value.length === 3 ? value.replace(/./g, '$&$&') : value;
}

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
