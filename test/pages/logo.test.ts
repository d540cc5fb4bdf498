/** Logos: what is accepted, and what is refused before it is shown. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readLogo } from '../../src/pages/logo.ts';
import { temporaryDirectory } from '../cli/support.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const svg = (inside: string, attributes = '') =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"${attributes}>${inside}</svg>`;

function fileWith(content: string | Buffer): string {
  const path = join(temporaryDirectory(), 'logo');
  writeFileSync(path, content);
  return path;
}

describe('a logo file can be', () => {
  test.each([
    ['a PNG', PNG, 'image/png'],
    ['an SVG', svg('<path d="M0 0h1"/>'), 'image/svg+xml'],
    ['an SVG with a declaration and a comment', `<?xml version="1.0"?>\n<!-- Acme -->\n${svg('')}`, 'image/svg+xml'],
    [
      'an SVG with its own styles',
      svg('<style>@media (prefers-color-scheme:dark){path{fill:#fff}}</style>'),
      'image/svg+xml',
    ],
    ['an SVG that refers to itself', svg('<g id="a"/><use href="#a"/><path fill="url(#b)"/>'), 'image/svg+xml'],
    ['an SVG with an embedded image', svg('<image href="data:image/png;base64,AA=="/>'), 'image/svg+xml'],
    ['an SVG with words that start like handlers', svg('<text>once more, on and on</text>'), 'image/svg+xml'],
  ])('%s', async (_what, content, mediaType) => {
    const uri = await readLogo(fileWith(content));
    expect(uri).toBe(`data:${mediaType};base64,${Buffer.from(content).toString('base64')}`);
  });
});

describe('a logo', () => {
  test.each([
    ['that is empty', '', 'is neither an SVG nor a PNG'],
    ['that is a GIF', 'GIF89a', 'is neither an SVG nor a PNG'],
    ['that is a page', '<!doctype html><p>x</p>', 'is neither an SVG nor a PNG'],
    ['with text before the SVG', `x${svg('')}`, 'is neither an SVG nor a PNG'],
    ['without xmlns, which browsers do not show,', '<svg viewBox="0 0 1 1"/>', 'without xmlns'],
    ['with a script', svg('<script>alert(1)</script>'), 'has a script'],
    ['with a script in upper case', svg('<SCRIPT href="x"/>'), 'has a script'],
    ['with a handler', svg('', ' onload="alert(1)"'), 'has an event handler'],
    ['with a handler on a separate line', svg('', '\nonload\n=\n"alert(1)"'), 'has an event handler'],
    ['with a javascript: link', svg('<a href="javascript:alert(1)"/>'), 'has a javascript: address'],
    ['with embedded markup', svg('<foreignObject/>'), 'has a foreignObject'],
    ['with entities', `<!DOCTYPE svg [<!ENTITY a "b">]>${svg('&a;')}`, 'has a document type'],
    ['with an external image', svg('<image href="https://evil.example/x.png"/>'), 'refers to something outside'],
    ['with an external xlink:href', svg('<use xlink:href="other.svg#a"/>'), 'refers to something outside'],
    [
      'with an external font',
      svg('<style>@font-face{src:url(https://evil.example/f)}</style>'),
      'refers to something outside',
    ],
    [
      'with an external address in a style',
      svg(`<style>a{fill:url('//evil.example')}</style>`),
      'refers to something outside',
    ],
    ['with an imported style', svg('<style>@import "x.css";</style>'), 'refers to something outside'],
    ['that is too large', svg('x'.repeat(32_768)), 'is larger than 32 KiB'],
  ])('%s is refused', async (_what, content, problem) => {
    await expect(readLogo(fileWith(content))).rejects.toThrow(problem);
  });
});
