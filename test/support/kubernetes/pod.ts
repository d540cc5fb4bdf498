/**
 * Pods as `k8s/` describes them: the fields that tests read, and the rules of the Pod Security Standard "restricted".
 */

import type { KubernetesObject } from './schema.ts';

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string | number; readonly host?: string };
  readonly exec?: { readonly command: readonly string[] };
}

interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly seccompProfile?: { readonly type: string };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number; readonly hostPort?: number }[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly resources?: { readonly requests?: Record<string, string>; readonly limits?: Record<string, string> };
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly VolumeMount[];
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly subPath?: string;
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string; readonly defaultMode?: number };
  readonly emptyDir?: object;
  readonly projected?: { readonly sources: readonly { readonly serviceAccountToken?: ServiceAccountToken }[] };
}

interface ServiceAccountToken {
  readonly path: string;
  readonly audience?: string;
  readonly expirationSeconds?: number;
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly securityContext?: SecurityContext & { readonly fsGroup?: number };
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly topologySpreadConstraints?: readonly { readonly labelSelector: { readonly matchLabels: Labels } }[];
}

export type Labels = Readonly<Record<string, string>>;

/** A Pod template, and the object that contains it. */
export interface Pod {
  readonly owner: KubernetesObject;
  readonly labels: Labels;
  readonly spec: PodSpec;
  /** Containers of all kinds, in the order in which they start. */
  readonly containers: readonly Container[];
  /** The container that runs Sallyport. */
  readonly gateway: Container | undefined;
}

interface Workload {
  readonly spec: { readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec } };
}

/** The Pods that objects create. */
export function podsOf(objects: readonly KubernetesObject[]): Pod[] {
  return objects
    .filter(({ kind }) => kind === 'Deployment')
    .map((owner) => {
      const { metadata, spec } = (owner as unknown as Workload).spec.template;
      const containers = [...(spec.initContainers ?? []), ...spec.containers];
      const gateway = containers.find(({ image }) => /(?:^|\/)sallyport[:@]/.test(image));
      return { owner, labels: metadata.labels, spec, containers, gateway };
    });
}

const VOLUME_KINDS = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected'];
const RESTRICTED_VOLUMES = new Set([...VOLUME_KINDS, 'secret']);
const SECCOMP_PROFILES = ['RuntimeDefault', 'Localhost'];

/**
 * What the Pod Security Standard "restricted" (and "baseline", which it includes) forbids in a Pod, for the fields that
 * Linux Pods can have.
 *
 * @see https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
export function restrictedProblems({ spec, containers }: Pod): string[] {
  const pod = spec.securityContext ?? {};
  const shared = ['hostNetwork', 'hostPID', 'hostIPC'].filter((key) => (spec as unknown as Labels)[key] !== undefined);
  const volumes = (spec.volumes ?? []).flatMap(({ name, ...source }) =>
    Object.keys(source)
      .filter((kind) => !RESTRICTED_VOLUMES.has(kind))
      .map((kind) => `volume ${name} is a ${kind}`),
  );
  const podFields = ['seLinuxOptions', 'sysctls', 'windowsOptions', 'appArmorProfile'].filter((key) => key in pod);
  return [
    ...shared,
    ...volumes,
    ...podFields,
    ...containers.flatMap((container) => containerProblems(container, pod).map((what) => `${container.name}: ${what}`)),
  ];
}

function containerProblems(container: Container, pod: SecurityContext): string[] {
  const own = container.securityContext ?? {};
  const { allowPrivilegeEscalation, capabilities } = own;
  const runAsUser = own.runAsUser ?? pod.runAsUser;
  const seccomp = (own.seccompProfile ?? pod.seccompProfile)?.type ?? 'none';
  const hooks = [container.startupProbe, container.readinessProbe, container.livenessProbe];
  const rules: readonly (readonly [string, boolean])[] = [
    ['runAsNonRoot is not true', (own.runAsNonRoot ?? pod.runAsNonRoot) === true],
    ['runAsUser is 0', runAsUser !== 0],
    ['allowPrivilegeEscalation is not false', allowPrivilegeEscalation === false],
    ['capabilities.drop is not [ALL]', capabilities?.drop?.includes('ALL') === true],
    ['adds capabilities', (capabilities?.add ?? []).every((name) => name === 'NET_BIND_SERVICE')],
    [`seccompProfile is ${seccomp}`, SECCOMP_PROFILES.includes(seccomp)],
    ['uses a port of the host', (container.ports ?? []).every(({ hostPort }) => hostPort === undefined)],
    ['probes a host', hooks.every((probe) => probe?.httpGet?.host === undefined)],
    [
      'has a forbidden field',
      !['privileged', 'procMount', 'seLinuxOptions', 'windowsOptions'].some((key) => key in own),
    ],
  ];
  return rules.filter(([, holds]) => !holds).map(([what]) => what);
}
