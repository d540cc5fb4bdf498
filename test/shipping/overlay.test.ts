/** The overlay of docs/how-to/deploy-kubernetes-ingress.md, created by the page's own commands. */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { render, repositoryPath } from '../support/kubernetes/render.ts';
import { findProgram } from '../support/programs.ts';

const PAGE = readFileSync(repositoryPath('docs/how-to/deploy-kubernetes-ingress.md'), 'utf8');
const unindented = (text: string) => text.replace(/^ {3}/gm, '');
const [, commands = ''] = /^ {3}```sh\n( {3}mkdir[\s\S]*?)^ {3}```$/m.exec(PAGE) ?? [];
const [, kustomization = ''] = /^ {3}```yaml.*\n( {3}apiVersion: kustomize[\s\S]*?)^ {3}```$/m.exec(PAGE) ?? [];
const [, component = ''] = /^ {3}```yaml.*\n( {3}components: [\s\S]*?)^ {3}```$/m.exec(PAGE) ?? [];

const clone = mkdtempSync(join(tmpdir(), 'sallyport-overlay-'));
const overlay = join(clone, 'k8s/overlays/shop');

beforeAll(() => {
  cpSync(repositoryPath('k8s'), join(clone, 'k8s'), { recursive: true });
  execFileSync('sh', ['-e', '-c', unindented(commands)], { cwd: clone });
  writeFileSync(join(overlay, 'kustomization.yaml'), unindented(kustomization));
});

afterAll(() => rmSync(clone, { recursive: true, force: true }));

const kinds = (objects: readonly { kind: string }[]) => objects.map(({ kind }) => kind).toSorted();

describe('the overlay that the page creates', () => {
  test('has the base, the namespace, the configuration of the example and the image named on the page', () => {
    const objects = render(overlay);
    expect(kinds(objects)).toEqual(kinds([...render(repositoryPath('k8s/base')), { kind: 'Namespace' }]));
    expect(JSON.stringify(objects)).toContain('"image":"registry.example.com/sallyport:0.1.0"');
    expect(JSON.stringify(objects)).toContain('id: orders');
  });

  test('is accepted by kubectl, also with the component of the page', ({ skip }) => {
    const kubectl = findProgram(['kubectl']);
    if (kubectl === null) return skip('kubectl is not installed');
    const built = () => execFileSync(kubectl, ['kustomize', overlay], { encoding: 'utf8' });
    expect(built()).toContain('image: registry.example.com/sallyport:0.1.0');
    writeFileSync(join(overlay, 'kustomization.yaml'), unindented(kustomization + component));
    expect(built()).toContain('name: sallyport-external');
  });
});
