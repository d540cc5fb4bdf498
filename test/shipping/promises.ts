/**
 * What every set of manifests promises, whether Kustomize or Helm made it: the Kubernetes API accepts its objects, its Pods
 * keep the Pod Security Standard "restricted", and each gateway in it has a valid configuration that fits its container.
 */

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../../src/admin/endpoints.ts';
import { type Labels, type Probe, podsOf, restrictedProblems } from '../support/kubernetes/pod.ts';
import { repositoryPath } from '../support/kubernetes/render.ts';
import { type KubernetesObject, schemaProblems } from '../support/kubernetes/schema.ts';
import { type GatewayPod, gatewayPodsOf, validate } from './deployment.ts';

/** The objects of a kind, loosely typed: schemas hold their shape. */
// biome-ignore lint/suspicious/noExplicitAny: Kubernetes objects have no types here; the schema test judges their shape.
export const ofKind = (objects: readonly KubernetesObject[], kind: string): any[] =>
  objects.filter((object) => object.kind === kind);

/** Whether a selector means objects with these labels. */
export const selects = (selector: Labels, labels: Labels) =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

const named = ({ kind, metadata: { name } }: KubernetesObject) => `${kind} ${name}`;

/** Declares the tests of these sets of objects, by the names of the sets. */
export function describeManifests(sets: Readonly<Record<string, readonly KubernetesObject[]>>): void {
  const OBJECTS = Object.entries(sets).flatMap(([from, objects]) =>
    objects.map((object) => ({ title: `${from}: ${named(object)}`, object })),
  );
  const PODS = Object.entries(sets).flatMap(([from, objects]) =>
    podsOf(objects).map((pod) => ({ title: `${from}: ${pod.owner.metadata.name}`, pod })),
  );
  const GATEWAYS = gatewayPodsOf(sets).map((gatewayPod) => ({ ...gatewayPod, title: gatewayPod.from }));

  describe('schema', () => {
    it.each(OBJECTS)('$title is what the Kubernetes API accepts', ({ object }) => {
      expect(schemaProblems(object)).toEqual([]);
    });
  });

  describe('Pod security', () => {
    it.each(PODS)('$title keeps the Pod Security Standard "restricted"', ({ pod }) => {
      expect(restrictedProblems(pod)).toEqual([]);
    });

    it.each(PODS)('$title writes to no root filesystem and gets no token and no variables of Services', ({ pod }) => {
      expect(pod.spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      for (const { securityContext } of pod.containers) expect(securityContext?.readOnlyRootFilesystem).toBe(true);
    });

    it.each(PODS)('$title says what it needs', ({ pod }) => {
      for (const { resources } of pod.containers) {
        expect(Object.keys(resources?.requests ?? {}).toSorted()).toEqual(['cpu', 'memory']);
        expect(resources?.limits).toHaveProperty('memory');
      }
    });

    it.each(GATEWAYS)(
      '$title: the gateway runs as 65532, takes nothing from variables and mounts whole directories to read',
      ({ gateway, pod }) => {
        const user = { ...pod.spec.securityContext, ...gateway.securityContext };
        expect(user).toMatchObject({ runAsUser: 65532, runAsGroup: 65532 });
        expect(gateway.env ?? []).toEqual([]);
        for (const { readOnly, subPath } of gateway.volumeMounts ?? []) {
          expect(readOnly).toBe(true);
          expect(subPath).toBeUndefined();
        }
      },
    );

    it.each(GATEWAYS)('$title: the image has the version of package.json, or a digest', async ({ gateway }) => {
      const { version } = JSON.parse(await readFile(repositoryPath('package.json'), 'utf8')) as { version: string };
      expect(
        gateway.image
          .split('/')
          .at(-1)
          ?.replace(/@sha256:[0-9a-f]{64}$/, `:${version}`),
      ).toBe(`sallyport:${version}`);
    });
  });

  describe('configuration', () => {
    it.each(GATEWAYS)('$title: our own validation finds nothing, with the files that are mounted', (gatewayPod) => {
      const { loaded, problems } = validate(gatewayPod);
      expect(problems.map(({ line, message }) => `${line}: ${message}`)).toEqual([]);
      expect(loaded).not.toBeNull();
    });

    it.each(GATEWAYS)('$title: the ports of the container are those of the listeners', (gatewayPod) => {
      const { public: publicListener, admin } = listenersOf(gatewayPod);
      const ports = gatewayPod.gateway.ports?.map(({ containerPort }) => containerPort);
      // Those of other listeners may follow.
      expect(ports?.slice(0, 2)).toEqual([publicListener.address.port, admin.address.port]);
    });

    it.each(GATEWAYS)('$title: both listeners are reached from outside of the Pod', (gatewayPod) => {
      const { public: publicListener, admin } = listenersOf(gatewayPod);
      expect([publicListener.address.host, admin.address.host]).toEqual(['0.0.0.0', '0.0.0.0']);
    });

    it.each(GATEWAYS)('$title: every probe asks an endpoint of the admin listener', ({ gateway }) => {
      const adminPort = gateway.ports?.[1]?.name;
      for (const probe of [gateway.startupProbe, gateway.readinessProbe, gateway.livenessProbe]) {
        expect(probe?.httpGet?.port).toBe(adminPort);
        expect(isAnswered(probe)).toBe(true);
      }
    });

    it.each(GATEWAYS)('$title: liveness does not depend on anything outside of the process', ({ gateway }) => {
      expect(gateway.livenessProbe?.httpGet?.path).toBe('/livez');
    });

    it.each(GATEWAYS)('$title: Pods live long enough to end in order', (gatewayPod) => {
      const { pod, gateway } = gatewayPod;
      const { delay, timeout } = validate(gatewayPod).loaded!.config.shutdown;
      const appSleepSec = Math.max(0, ...pod.containers.map((it) => it.lifecycle?.preStop?.sleep?.seconds ?? 0));
      const neededSec = (delay + timeout) / 1_000 + appSleepSec;
      expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(neededSec + 5);
      // Hooks of all containers begin at once: one on the gateway would end before the app has.
      expect(gateway.lifecycle).toBeUndefined();
    });
  });
}

/** The listeners that a gateway's configuration has. */
export function listenersOf(gatewayPod: GatewayPod) {
  return validate(gatewayPod).loaded!.config.listeners;
}

/** Whether the admin listener has what a probe asks for, without a token. */
function isAnswered(probe: Probe | undefined): boolean {
  const [path = '', query = ''] = probe?.httpGet?.path.split('?') ?? [];
  const row = ENDPOINTS.find((it) => it.method === 'GET' && it.path === path && it.guard !== 'token');
  const names = [...new URLSearchParams(query)];
  return (
    row !== undefined && names.every(([name, value]) => row.parameter?.name === name && row.parameter.only === value)
  );
}
