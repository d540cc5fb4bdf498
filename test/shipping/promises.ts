/**
 * What every set of manifests promises, from Kustomize or Helm: the Kubernetes API accepts its objects, its Pods meet
 * the Pod Security Standard "restricted", and each gateway in it has a valid configuration that fits its container.
 */

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../../src/admin/endpoints.ts';
import { type Labels, type Probe, podsOf, restrictedProblems } from '../support/kubernetes/pod.ts';
import { repositoryPath } from '../support/kubernetes/render.ts';
import { type KubernetesObject, schemaProblems } from '../support/kubernetes/schema.ts';
import { type GatewayPod, gatewayPodsOf, validate } from './deployment.ts';

/** The objects of a kind, loosely typed. */
// biome-ignore lint/suspicious/noExplicitAny: Kubernetes objects have no types here; the schema test checks them.
export const ofKind = (objects: readonly KubernetesObject[], kind: string): any[] =>
  objects.filter((object) => object.kind === kind);

/** Whether a selector matches objects with these labels. */
export const selects = (selector: Labels, labels: Labels) =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

const named = ({ kind, metadata: { name } }: KubernetesObject) => `${kind} ${name}`;

/** Declares the tests of these sets of objects, by name. */
export function describeManifests(sets: Readonly<Record<string, readonly KubernetesObject[]>>): void {
  const OBJECTS = Object.entries(sets).flatMap(([from, objects]) =>
    objects.map((object) => ({ title: `${from}: ${named(object)}`, object })),
  );
  const PODS = Object.entries(sets).flatMap(([from, objects]) =>
    podsOf(objects).map((pod) => ({ title: `${from}: ${pod.owner.metadata.name}`, pod })),
  );
  const GATEWAYS = gatewayPodsOf(sets).map((gatewayPod) => ({ ...gatewayPod, title: gatewayPod.from }));

  describe('schema', () => {
    it.each(OBJECTS)('$title is accepted by the Kubernetes API', ({ object }) => {
      expect(schemaProblems(object)).toEqual([]);
    });
  });

  describe('Pod security', () => {
    it.each(PODS)('$title meets the Pod Security Standard "restricted"', ({ pod }) => {
      expect(restrictedProblems(pod)).toEqual([]);
    });

    it.each(PODS)('$title has a read-only root filesystem, no token and no Service variables', ({ pod }) => {
      expect(pod.spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      for (const { securityContext } of pod.containers) expect(securityContext?.readOnlyRootFilesystem).toBe(true);
    });

    it.each(PODS)('$title declares its resources', ({ pod }) => {
      for (const { resources } of pod.containers) {
        expect(Object.keys(resources?.requests ?? {}).toSorted()).toEqual(['cpu', 'memory']);
        expect(resources?.limits).toHaveProperty('memory');
      }
    });

    it.each(GATEWAYS)(
      '$title: the gateway runs as 65532, reads no variables, and mounts whole directories read-only',
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
    it.each(GATEWAYS)('$title: `sallyport validate` finds no problem, with the mounted files', (gatewayPod) => {
      const { loaded, problems } = validate(gatewayPod);
      expect(problems.map(({ line, message }) => `${line}: ${message}`)).toEqual([]);
      expect(loaded).not.toBeNull();
    });

    it.each(GATEWAYS)('$title: the container’s ports are those of the listeners', (gatewayPod) => {
      const { public: publicListener, admin } = listenersOf(gatewayPod);
      const ports = gatewayPod.gateway.ports?.map(({ containerPort }) => containerPort);
      // Ports of other listeners may follow.
      expect(ports?.slice(0, 2)).toEqual([publicListener.address.port, admin.address.port]);
    });

    it.each(GATEWAYS)('$title: both listeners are reachable from outside the Pod', (gatewayPod) => {
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

    it.each(GATEWAYS)('$title: liveness depends on nothing outside the process', ({ gateway }) => {
      expect(gateway.livenessProbe?.httpGet?.path).toBe('/livez');
    });

    it.each(GATEWAYS)('$title: Pods have enough time for a graceful shutdown', (gatewayPod) => {
      const { pod, gateway } = gatewayPod;
      const { delay, timeout } = validate(gatewayPod).loaded!.config.shutdown;
      const appSleepSec = Math.max(0, ...pod.containers.map((it) => it.lifecycle?.preStop?.sleep?.seconds ?? 0));
      const neededSec = (delay + timeout) / 1_000 + appSleepSec;
      expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(neededSec + 5);
      // Hooks of all containers start at once: a hook of the gateway would end before the app has.
      expect(gateway.lifecycle).toBeUndefined();
    });
  });
}

/** The listeners of a gateway's configuration. */
export function listenersOf(gatewayPod: GatewayPod) {
  return validate(gatewayPod).loaded!.config.listeners;
}

/** Whether the admin listener answers a probe without a token. */
function isAnswered(probe: Probe | undefined): boolean {
  const [path = '', query = ''] = probe?.httpGet?.path.split('?') ?? [];
  const row = ENDPOINTS.find((it) => it.method === 'GET' && it.path === path && it.guard !== 'token');
  const names = [...new URLSearchParams(query)];
  return (
    row !== undefined && names.every(([name, value]) => row.parameter?.name === name && row.parameter.only === value)
  );
}
