/** The gateway as a native sidecar: what `k8s/components/sidecar` adds to a Pod, with the choices of `sallyport inject`. */

/** The settings of `sallyport inject`. */
export interface SidecarOptions {
  readonly image: string;
  /** The ConfigMap with sallyport.yaml. */
  readonly configMap: string;
  /** Port of the public listener. */
  readonly port: number;
  readonly adminPort: number;
  /** Port of the outbound listener, on the loopback. */
  readonly outboundPort: number;
  /** Environment variables of the app: name → path on the outbound listener. */
  readonly outbound: Readonly<Record<string, string>>;
  /** Audiences for which the sidecar gets a ServiceAccount token. */
  readonly tokens: readonly string[];
}

/** Name of the container. */
export const SIDECAR_NAME = 'sallyport';
const CONFIG_VOLUME = 'sallyport-config';
const TOKENS_VOLUME = 'sallyport-tokens';
/** Names of the volumes that it may have. */
export const SIDECAR_VOLUMES: readonly string[] = [CONFIG_VOLUME, TOKENS_VOLUME];
/** Label of its Pods, by which monitors and policies select them. */
export const SIDECAR_LABEL = { 'sallyport-sidecar': 'enabled' } as const;

const TOKENS_DIRECTORY = '/var/run/secrets/sallyport';
/** The kubelet gives no shorter one. */
const TOKEN_LIFETIME_SEC = 600;

/** The container. */
export function sidecarContainer({ image, port, adminPort, tokens }: SidecarOptions): object {
  const probe = (path: string) => ({ httpGet: { path, port: 'sallyport-admin' } });
  const mounts = [
    { name: CONFIG_VOLUME, mountPath: '/etc/sallyport/config', readOnly: true },
    { name: TOKENS_VOLUME, mountPath: TOKENS_DIRECTORY, readOnly: true },
  ];
  return {
    name: SIDECAR_NAME,
    image,
    // Makes it a sidecar: it starts before the app and stops after it.
    restartPolicy: 'Always',
    args: ['start', '--config', '/etc/sallyport/config/sallyport.yaml'],
    ports: [
      { name: 'sallyport-http', containerPort: port },
      { name: 'sallyport-admin', containerPort: adminPort },
    ],
    // The app starts once this has passed, so it must not depend on the app.
    startupProbe: { ...probe('/startupz'), periodSeconds: 1, failureThreshold: 60 },
    readinessProbe: { ...probe('/readyz?include=upstream'), periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 },
    livenessProbe: { ...probe('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: tokens.length === 0 ? mounts.slice(0, 1) : mounts,
  };
}

/** Its volumes. Only the sidecar mounts the tokens, so the app has none that could leak. */
export function sidecarVolumes({ configMap, tokens }: SidecarOptions): readonly object[] {
  const sources = tokens.map((audience) => ({
    serviceAccountToken: { path: tokenPath(audience), audience, expirationSeconds: TOKEN_LIFETIME_SEC },
  }));
  const config = { name: CONFIG_VOLUME, configMap: { name: configMap } };
  return sources.length === 0 ? [config] : [config, { name: TOKENS_VOLUME, projected: { sources } }];
}

/** Where the token for an audience is in its volume: `stock/token`, `https---stock.example.com/token`. */
export const tokenPath = (audience: string): string => `${audience.replace(/[^A-Za-z0-9._-]/g, '-')}/token`;

/** The environment variables of the app. */
export const outboundVariables = ({ outbound, outboundPort }: SidecarOptions): readonly object[] =>
  Object.entries(outbound).map(([name, path]) => ({ name, value: `http://127.0.0.1:${outboundPort}${path}` }));
