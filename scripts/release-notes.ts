/**
 * Prints the release notes of a tag: its section of CHANGELOG.md. Fails unless the tag, the version of every package and
 * a dated section of the changelog agree.
 *
 * Usage: node scripts/release-notes.ts v1.2.3
 */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The input of a release: the versions by file, and the changelog. */
export interface ReleaseSources {
  readonly versions: ReadonlyMap<string, string>;
  readonly changelog: string;
}

/**
 * The release notes of a tag.
 *
 * @throws Error that names everything that disagrees with the tag
 */
export function releaseNotes(tag: string, { versions, changelog }: ReleaseSources): string {
  const [, version] = /^v(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$/.exec(tag) ?? [];
  if (version === undefined) throw new Error(`${tag} is not a version tag such as v1.2.3`);
  const problems = [...versions]
    .filter(([, found]) => found !== version)
    .map(([file, found]) => `${file} has version ${found}, the tag is ${tag}`);
  const notes = sectionOf(changelog, version);
  if (notes === null) problems.push(`CHANGELOG.md has no section "## [${version}] - YYYY-MM-DD"`);
  else if (notes === '') problems.push(`CHANGELOG.md says nothing about ${version}`);
  if (problems.length > 0 || notes === null) throw new Error(problems.join('\n'));
  return notes;
}

/** The text between the heading of a version and the next one; `null` without such a heading. */
function sectionOf(changelog: string, version: string): string | null {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((it) => it.startsWith(`[${version}] - `));
  if (section === undefined || !/^\[[^\]]+\] - \d{4}-\d{2}-\d{2}\n/.test(section)) return null;
  return section
    .slice(section.indexOf('\n'))
    .replace(/^\[[^\]]+\]: .*$/gm, '')
    .trim();
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const manifests = ['package.json', ...globSync('packages/*/package.json', { cwd: root })];
  const versions = new Map(
    manifests.map((file) => {
      const { version } = JSON.parse(readFileSync(join(root, file), 'utf8')) as { version: string };
      return [file, version];
    }),
  );
  try {
    const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
    console.log(releaseNotes(process.argv[2] ?? '', { versions, changelog }));
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
