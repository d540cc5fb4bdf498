/**
 * Subjects of the manifest tests: the kustomizations of `k8s/`, as a cluster gets them, and the gateway in each Pod.
 */

import { posix } from 'node:path';
import { parse } from 'yaml';
import type { ConfigFiles } from '../../src/config/files/files.ts';
import { type LoadResult, loadConfig } from '../../src/gateway/configuration/load.ts';
import { type Container, type Pod, podsOf, type VolumeMount } from '../support/kubernetes/pod.ts';
import { readYaml, render, renderOnto, repositoryPath } from '../support/kubernetes/render.ts';
import type { KubernetesObject } from '../support/kubernetes/schema.ts';

/** Kustomizations that can be applied. */
export const KUSTOMIZATIONS: Readonly<Record<string, readonly KubernetesObject[]>> = {
  base: render(repositoryPath('k8s/base')),
  'examples/ingress': render(repositoryPath('k8s/examples/ingress')),
  'examples/sidecar': render(repositoryPath('k8s/examples/sidecar')),
  'examples/authorizer-ingress-nginx': render(repositoryPath('k8s/examples/authorizer-ingress-nginx')),
  'examples/authorizer-traefik': render(repositoryPath('k8s/examples/authorizer-traefik')),
  'examples/authorizer-envoy-gateway': render(repositoryPath('k8s/examples/authorizer-envoy-gateway')),
};

/** The objects of a kustomization with the component for clusters without prometheus-operator. */
export function withoutPrometheusOperator(name: string): KubernetesObject[] {
  return renderOnto(KUSTOMIZATIONS[name] ?? [], repositoryPath('k8s/components/without-prometheus-operator'));
}

/** The objects of a kustomization with the component that lets the gateway reach addresses outside the cluster. */
export function withExternalTraffic(name: string): KubernetesObject[] {
  return renderOnto(KUSTOMIZATIONS[name] ?? [], repositoryPath('k8s/components/external-traffic'));
}

/** Templates of the Secrets that an operator has to create. */
export const SECRET_TEMPLATES = readYaml(repositoryPath('k8s/base/secrets.example.yaml'));

/** A Pod with the gateway in it. */
export interface GatewayPod {
  /** The name of its set of objects, such as a kustomization. */
  readonly from: string;
  readonly objects: readonly KubernetesObject[];
  readonly pod: Pod;
  readonly gateway: Container;
}

/** Every Pod with the gateway in it, in sets of objects by name. */
export const gatewayPodsOf = (sets: Readonly<Record<string, readonly KubernetesObject[]>>): readonly GatewayPod[] =>
  Object.entries(sets).flatMap(([from, objects]) =>
    podsOf(objects).flatMap((pod) => (pod.gateway === undefined ? [] : [{ from, objects, pod, gateway: pod.gateway }])),
  );

/** The Pods of the kustomizations. */
export const GATEWAY_PODS = gatewayPodsOf(KUSTOMIZATIONS);

/** The files that a volume mounts; `null` for a volume whose files are not known. */
function filesOf(name: string, { pod, objects }: GatewayPod): Readonly<Record<string, string>> | null {
  const volume = pod.spec.volumes?.find((it) => it.name === name);
  const dataOf = (kind: string, wanted: string | undefined, among: readonly KubernetesObject[]) => {
    const object = among.find((it) => it.kind === kind && it.metadata.name === wanted);
    return (object?.['data'] ?? object?.['stringData'] ?? null) as Readonly<Record<string, string>> | null;
  };
  const tokens = volume?.projected?.sources.flatMap(({ serviceAccountToken }) => serviceAccountToken?.path ?? []);
  if (tokens !== undefined) return Object.fromEntries(tokens.map((path) => [path, 'a token of the kubelet']));
  return (
    dataOf('ConfigMap', volume?.configMap?.name, objects) ??
    dataOf('Secret', volume?.secret?.secretName, [...objects, ...SECRET_TEMPLATES])
  );
}

/** The text of a file in the gateway's container; `null` if there is no such file. */
function fileIn(gatewayPod: GatewayPod, path: string): string | null {
  const mount = mountOf(gatewayPod.gateway, posix.dirname(path));
  return (mount && filesOf(mount.name, gatewayPod)?.[posix.basename(path)]) ?? null;
}

const mountOf = ({ volumeMounts = [] }: Container, directory: string): VolumeMount | undefined =>
  volumeMounts.find(({ mountPath }) => mountPath === directory);

/** The path of the gateway's configuration, from its arguments. */
export function configPathOf({ gateway }: GatewayPod): string {
  const args = gateway.args ?? [];
  const path = args[args.indexOf('--config') + 1];
  if (args[0] !== 'start' || path === undefined) throw new Error('expected: start --config FILE');
  return path;
}

/** The configuration of a gateway, as written. */
function configText(gatewayPod: GatewayPod): string {
  const text = fileIn(gatewayPod, configPathOf(gatewayPod));
  if (text === null) throw new Error(`${configPathOf(gatewayPod)} is not mounted`);
  return text;
}

/** The configuration of a gateway, as plain data. */
export const configData = (gatewayPod: GatewayPod) => parse(configText(gatewayPod)) as Record<string, unknown>;

const validated = new WeakMap<GatewayPod, LoadResult>();

/** The gateway's own validation of its configuration, in a container with nothing but the mounted files. */
export function validate(gatewayPod: GatewayPod): LoadResult {
  const result = validated.get(gatewayPod) ?? load(gatewayPod);
  validated.set(gatewayPod, result);
  return result;
}

function load(gatewayPod: GatewayPod): LoadResult {
  const files: ConfigFiles = {
    problem: (path, kind) => {
      const exists =
        kind === 'file' ? fileIn(gatewayPod, path) !== null : mountOf(gatewayPod.gateway, path) !== undefined;
      return exists ? null : `names a ${kind} that is not mounted`;
    },
    isWorldReadable: (path) => {
      const { name } = mountOf(gatewayPod.gateway, posix.dirname(path)) ?? {};
      const mode = gatewayPod.pod.spec.volumes?.find((it) => it.name === name)?.secret?.defaultMode ?? 0o644;
      return (mode & 0o004) !== 0;
    },
    read: (path) => {
      const text = fileIn(gatewayPod, path);
      return text === null ? { problem: 'names a file that is not mounted' } : { text };
    },
  };
  return loadConfig(configText(gatewayPod), { path: configPathOf(gatewayPod), cwd: '/', env: {}, files });
}
