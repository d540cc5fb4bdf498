import { expect, test } from 'vitest';
import { releaseNotes } from '../../scripts/release-notes.ts';

const CHANGELOG = `# Changelog

## [Unreleased]

### Added

- Something new.

## [1.2.0] - 2026-11-30

### Fixed

- A bug.

## [1.1.0] - 2026-10-01

## [1.0.0]

- Not dated.

[1.2.0]: https://example.com/compare/v1.1.0...v1.2.0
`;

const sources = (version: string) => ({ versions: new Map([['package.json', version]]), changelog: CHANGELOG });

test('the release notes are the section of the changelog', () => {
  expect(releaseNotes('v1.2.0', sources('1.2.0'))).toBe('### Fixed\n\n- A bug.');
});

test.each([
  ['a tag that is not a version', '1.2.0', '1.2.0', '1.2.0 is not a version tag such as v1.2.3'],
  ['a package of another version', 'v1.2.0', '1.1.0', 'package.json has version 1.1.0, the tag is v1.2.0'],
  ['a version without a section', 'v1.3.0', '1.3.0', 'CHANGELOG.md has no section "## [1.3.0] - YYYY-MM-DD"'],
  ['a section without a date', 'v1.0.0', '1.0.0', 'CHANGELOG.md has no section "## [1.0.0] - YYYY-MM-DD"'],
  ['an empty section', 'v1.1.0', '1.1.0', 'CHANGELOG.md says nothing about 1.1.0'],
])('%s stops the release', (_, tag, version, message) => {
  expect(() => releaseNotes(tag, sources(version))).toThrow(new Error(message));
});

test('the error names every problem of a release at once', () => {
  expect(() => releaseNotes('v2.0.0', sources('1.1.0'))).toThrow(/package\.json has version[\s\S]*no section/);
});
