/** What `k8s/` promises, for every kustomization in it. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAdminToken } from '../../src/admin/token-file.ts';
import { readUsersFile } from '../../src/endpoints/login/password/users-file.ts';
import { readKeyDirectory } from '../../src/token/key-directory.ts';
import { type Labels, podsOf, restrictedProblems } from '../support/kubernetes/pod.ts';
import { type KubernetesObject, schemaProblems } from '../support/kubernetes/schema.ts';
import {
  configData,
  GATEWAY_PODS,
  KUSTOMIZATIONS,
  SECRET_TEMPLATES,
  validate,
  withExternalTraffic,
  withoutPrometheusOperator,
} from './deployment.ts';
import { describeManifests, listenersOf, ofKind, selects } from './promises.ts';

describeManifests({ ...KUSTOMIZATIONS, templates: SECRET_TEMPLATES });

describe('the manifest tests find', () => {
  const [deployment] = ofKind(KUSTOMIZATIONS['base'] ?? [], 'Deployment');
  const [monitor] = ofKind(KUSTOMIZATIONS['base'] ?? [], 'ServiceMonitor');
  it.each([
    { what: 'a misspelt field', object: { ...deployment, spec: { ...deployment.spec, replica: 2 } }, says: 'replica' },
    {
      what: 'a text for a number',
      object: { ...deployment, spec: { ...deployment.spec, replicas: '2' } },
      says: 'number',
    },
    {
      what: 'a missing field',
      object: { ...deployment, spec: { ...deployment.spec, selector: undefined } },
      says: 'selector',
    },
    {
      what: 'a misspelt field of a custom resource',
      object: { ...monitor, spec: { ...monitor.spec, endpoints: [{ prot: 'admin' }] } },
      says: 'prot',
    },
    {
      what: 'a value that violates the pattern of a custom resource',
      object: { ...monitor, spec: { ...monitor.spec, endpoints: [{ interval: '30 s' }] } },
      says: 'interval',
    },
  ])('$what', ({ object, says }) => {
    expect(schemaProblems(object).join()).toContain(says);
  });

  it('a container that may run as root', () => {
    const [pod] = podsOf(KUSTOMIZATIONS['base'] ?? []);
    const spec = { ...pod!.spec, securityContext: {} };
    expect(restrictedProblems({ ...pod!, spec })).toEqual([
      'sallyport: runAsNonRoot is not true',
      'sallyport: seccompProfile is none',
    ]);
  });

  it('a file that no volume provides', () => {
    const [first] = GATEWAY_PODS;
    const gateway = { ...first!.gateway, volumeMounts: first!.gateway.volumeMounts!.slice(0, 1) };
    expect(
      validate({ ...first!, gateway })
        .problems.map(({ message }) => message)
        .join(),
    ).toContain('not mounted');
  });
});

describe('objects of the ingress role', () => {
  const objects = KUSTOMIZATIONS['base'] ?? [];
  const [deployment] = ofKind(objects, 'Deployment');
  const labels: Labels = deployment.spec.template.metadata.labels;

  it('are complete', () => {
    expect(objects.map(({ kind }) => kind).toSorted()).toEqual([
      'ConfigMap',
      'Deployment',
      'HorizontalPodAutoscaler',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
      'Service',
      'ServiceAccount',
      'ServiceMonitor',
    ]);
  });

  it('all select the same Pods', () => {
    const [budget] = ofKind(objects, 'PodDisruptionBudget');
    const [policy] = ofKind(objects, 'NetworkPolicy');
    const selectors = [
      deployment.spec.selector.matchLabels,
      budget.spec.selector.matchLabels,
      policy.spec.podSelector.matchLabels,
      ...ofKind(objects, 'Service').map(({ spec }) => spec.selector),
      ...deployment.spec.template.spec.topologySpreadConstraints.map(
        (constraint: { labelSelector: { matchLabels: Labels } }) => constraint.labelSelector.matchLabels,
      ),
    ];
    for (const selector of selectors) expect(selector).toEqual(labels);
  });

  it('leave the number of replicas to the autoscaler', () => {
    const [autoscaler] = ofKind(objects, 'HorizontalPodAutoscaler');
    expect(autoscaler.spec.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'sallyport' });
    expect(autoscaler.spec.minReplicas).toBeGreaterThanOrEqual(2);
    expect(deployment.spec).not.toHaveProperty('replicas');
  });

  it('keep each Pod in a roll-out until another one is ready', () => {
    expect(deployment.spec.strategy.rollingUpdate.maxUnavailable).toBe(0);
  });

  it('allow a node drain even with a single or a broken replica', () => {
    const [budget] = ofKind(objects, 'PodDisruptionBudget');
    expect(budget.spec).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' });
  });

  it('have no admin port in the public Service; the monitor reads the other one', () => {
    const [publicService, adminService] = ofKind(objects, 'Service');
    const [monitor] = ofKind(objects, 'ServiceMonitor');
    expect(publicService.spec.ports.map((port: { targetPort: string }) => port.targetPort)).toEqual(['http']);
    expect(adminService.spec.ports.map((port: { targetPort: string }) => port.targetPort)).toEqual(['admin']);
    expect(selects(monitor.spec.selector.matchLabels, adminService.metadata.labels)).toBe(true);
    expect(selects(monitor.spec.selector.matchLabels, publicService.metadata.labels)).toBe(false);
    expect(monitor.spec.endpoints).toMatchObject([{ port: adminService.spec.ports[0].name, path: '/metrics' }]);
  });

  it('open the admin port only to the monitoring namespace, and the public port to everyone', () => {
    const [policy] = ofKind(objects, 'NetworkPolicy');
    const [publicPort, adminPort] = deployment.spec.template.spec.containers[0].ports;
    const [clients, prometheus] = policy.spec.ingress;
    expect(policy.spec.ingress).toHaveLength(2);
    expect(clients).toEqual({ ports: [{ protocol: 'TCP', port: publicPort.containerPort }] });
    expect(prometheus.ports).toEqual([{ protocol: 'TCP', port: adminPort.containerPort }]);
    expect(prometheus.from).toEqual([
      { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
    ]);
  });

  it('let the gateway connect to DNS, Redis and upstreams, and nothing else', () => {
    const [policy] = ofKind(objects, 'NetworkPolicy');
    expect(policy.spec.policyTypes).toContain('Egress');
    for (const rule of policy.spec.egress) expect(rule.to.length).toBeGreaterThan(0);
    expect(policy.spec.egress).toHaveLength(3);
  });

  it('keep the name of the configuration in an overlay, so that it is reloaded, not rolled out', () => {
    const maps = ofKind(KUSTOMIZATIONS['examples/ingress'] ?? [], 'ConfigMap');
    expect(maps.map(({ metadata }) => metadata.name)).toEqual(['sallyport-config']);
    expect(maps[0].data['sallyport.yaml']).toContain('id: orders');
  });
});

describe('objects of the sidecar role', () => {
  const objects = KUSTOMIZATIONS['examples/sidecar'] ?? [];
  const [gatewayPod] = GATEWAY_PODS.filter(({ from }) => from === 'examples/sidecar');
  const { pod, gateway } = gatewayPod!;

  it('make the gateway a native sidecar, for whose start the app waits', () => {
    expect(gateway.restartPolicy).toBe('Always');
    expect(pod.spec.initContainers?.[0]).toBe(gateway);
    expect(gateway.startupProbe?.httpGet?.path).toBe('/startupz');
  });

  it('keep everything that the app had', () => {
    expect(pod.spec.containers.map(({ name }) => name)).toEqual(['orders']);
    expect(pod.spec.volumes?.map(({ name }) => name)).toEqual(['sallyport-tokens', 'sallyport-config', 'tmp']);
    expect(pod.spec.securityContext).toMatchObject({ runAsUser: 100, runAsGroup: 101 });
    expect(pod.labels).toEqual({ 'app.kubernetes.io/name': 'orders', 'sallyport-sidecar': 'enabled' });
  });

  it('have the outbound side on loopback only, with a token that the app does not have', () => {
    const { outbound } = validate(gatewayPod!).loaded!.config;
    expect(outbound?.address).toEqual({ host: '127.0.0.1', port: 15_001 });
    expect(gateway.ports?.map(({ containerPort }) => containerPort)).not.toContain(15_001);
    const [source] = pod.spec.volumes?.find(({ name }) => name === 'sallyport-tokens')?.projected?.sources ?? [];
    expect(source?.serviceAccountToken).toEqual({ path: 'token', audience: 'stock', expirationSeconds: 600 });
    expect(pod.spec.containers[0]?.volumeMounts?.map(({ name }) => name)).toEqual(['tmp']);
    expect(pod.spec.automountServiceAccountToken).toBe(false);
  });

  it('delay the end of the app until traffic has moved elsewhere', () => {
    expect(pod.spec.containers[0]?.lifecycle?.preStop?.sleep?.seconds).toBeGreaterThan(0);
  });

  it('point the Service at the gateway, and the gateway at loopback', () => {
    const [service] = ofKind(objects, 'Service');
    expect(service.spec.ports[0].targetPort).toBe(gateway.ports?.[0]?.name);
    expect(configData(gatewayPod!)['upstreams']).toMatchObject({ app: { endpoints: ['http://127.0.0.1:8080'] } });
    expect(pod.spec.containers[0]).toMatchObject({
      command: expect.arrayContaining(['--host=127.0.0.1', '--port=8080']),
    });
  });

  it('send no kubelet probe to a loopback-only port', () => {
    const { startupProbe, readinessProbe, livenessProbe } = pod.spec.containers[0]!;
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) expect(probe?.httpGet).toBeUndefined();
    expect(readinessProbe?.exec?.command.join(' ')).toContain('127.0.0.1:8080');
    expect(gateway.readinessProbe?.httpGet?.path).toBe('/readyz?include=upstream');
  });

  it('have metrics scraped from the Pod, since no Service has its admin port', () => {
    const [monitor] = ofKind(objects, 'PodMonitor');
    expect(selects(monitor.spec.selector.matchLabels, pod.labels)).toBe(true);
    expect(monitor.spec.podMetricsEndpoints).toMatchObject([{ port: gateway.ports?.[1]?.name, path: '/metrics' }]);
  });

  it('open the ports of the gateway in the policy, not the port of the app', () => {
    const [policy] = ofKind(objects, 'NetworkPolicy');
    const open = policy.spec.ingress.flatMap((rule: { ports: { port: number }[] }) =>
      rule.ports.map(({ port }) => port),
    );
    expect(open).toEqual(gateway.ports?.map(({ containerPort }) => containerPort));
  });
});

describe.each(['ingress-nginx', 'traefik', 'envoy-gateway'])('the authorizer beside %s', (proxy) => {
  const name = `examples/authorizer-${proxy}`;
  const objects = KUSTOMIZATIONS[name] ?? [];
  const [gatewayPod] = GATEWAY_PODS.filter(({ from }) => from === name);
  const service = ofKind(objects, 'Service').find(({ metadata }) => metadata.name === 'sallyport-authorizer');
  const ports: Record<string, number> = Object.fromEntries(
    service.spec.ports.map((it: { name: string; port: number; targetPort: number }) => [it.name, it.targetPort]),
  );
  const policy = (of: string) => ofKind(objects, 'NetworkPolicy').find(({ metadata }) => metadata.name === of);
  const FROM_PROXY = [{ namespaceSelector: { matchLabels: { 'sallyport-proxy': 'true' } } }];

  it('has a Service for the listener that this proxy asks', () => {
    const { authorizer, grpcAuthorizer } = listenersOf(gatewayPod!);
    const asked = proxy === 'envoy-gateway' ? grpcAuthorizer : authorizer;
    expect(asked?.address).toEqual({ host: '0.0.0.0', port: ports[proxy === 'envoy-gateway' ? 'grpc' : 'http'] });
    expect(proxy === 'envoy-gateway' ? authorizer : grpcAuthorizer).toBeUndefined();
    expect(selects(service.spec.selector, gatewayPod!.pod.labels)).toBe(true);
  });

  it('accepts questions only from the namespace of the proxy, as the app does requests', () => {
    const { ingress, podSelector } = policy('sallyport-authorizer').spec;
    expect(selects(podSelector.matchLabels, gatewayPod!.pod.labels)).toBe(true);
    expect(ingress).toEqual([
      { from: FROM_PROXY, ports: Object.values(ports).map((port) => ({ protocol: 'TCP', port })) },
    ]);
    expect(policy('app').spec.ingress).toEqual([{ from: FROM_PROXY, ports: [{ protocol: 'TCP', port: 8080 }] }]);
  });

  it('is asked about everything but its own endpoints, and nothing passes without an answer', () => {
    const host = `sallyport-authorizer.${gatewayPod!.objects[0]?.metadata.namespace ?? 'shop'}.svc.cluster.local`;
    if (proxy === 'ingress-nginx') {
      const [app, own] = ofKind(objects, 'Ingress');
      expect(app.metadata.annotations['nginx.ingress.kubernetes.io/auth-url']).toBe(`http://${host}:4180/auth-request`);
      expect(own.metadata.annotations).toBeUndefined();
      expect(own.spec.rules[0].http.paths.map(({ path }: { path: string }) => path)).toEqual([
        '/auth',
        '/.well-known/jwks.json',
      ]);
    } else if (proxy === 'traefik') {
      const [clean, ask] = ofKind(objects, 'Middleware');
      const [own, app] = ofKind(objects, 'IngressRoute')[0].spec.routes;
      expect(ask.spec.forwardAuth).toMatchObject({
        address: `http://${host}:4180/forward-auth`,
        trustForwardHeader: false,
      });
      expect(app.middlewares.map((it: { name: string }) => it.name)).toEqual([clean.metadata.name, ask.metadata.name]);
      expect(own.middlewares).toBeUndefined();
    } else {
      const [{ spec }] = ofKind(objects, 'SecurityPolicy');
      expect(spec.extAuth).toMatchObject({
        failOpen: false,
        grpc: { backendRefs: [{ name: 'sallyport-authorizer', port: 4181 }] },
      });
      expect(spec.targetRefs.map((it: { name: string }) => it.name)).toEqual(['app']);
      expect(ofKind(objects, 'HTTPRoute').map(({ metadata }) => metadata.name)).toEqual(['app', 'sallyport']);
    }
  });
});

describe('with external traffic', () => {
  const added = withExternalTraffic('base').filter(({ metadata }) => metadata.name === 'sallyport-external');
  const [base] = ofKind(KUSTOMIZATIONS['base'] ?? [], 'NetworkPolicy');
  const [policy] = ofKind(added, 'NetworkPolicy');

  it('another policy selects the same Pods, and the Kubernetes API accepts it', () => {
    expect(added.map(({ kind }) => kind)).toEqual(['NetworkPolicy']);
    expect(policy.spec.podSelector).toEqual(base.spec.podSelector);
    expect(schemaProblems(added[0]!)).toEqual([]);
  });

  it('issuers, the API server and Redis are reachable on their ports only', () => {
    expect(policy.spec.policyTypes).toEqual(['Egress']);
    const ports = policy.spec.egress.flatMap((rule: { ports: { port: number }[] }) =>
      rule.ports.map(({ port }) => port),
    );
    expect(new Set(ports)).toEqual(new Set([443, 6443, 6379, 6380]));
  });

  it('the metadata service of cloud providers is unreachable', () => {
    for (const { to } of policy.spec.egress as { to: { ipBlock: { cidr: string; except: string[] } }[] }[]) {
      for (const { ipBlock } of to) {
        expect(ipBlock.except).toContain(ipBlock.cidr === '::/0' ? 'fd00:ec2::254/128' : '169.254.0.0/16');
      }
    }
  });
});

describe('without prometheus-operator', () => {
  it.each(['examples/ingress', 'examples/sidecar'])('%s lacks only its objects', (name) => {
    const isOfOperator = ({ apiVersion }: KubernetesObject) => apiVersion.startsWith('monitoring.coreos.com/');
    const objects = KUSTOMIZATIONS[name] ?? [];
    expect(objects.some(isOfOperator)).toBe(true);
    expect(withoutPrometheusOperator(name)).toEqual(objects.filter((object) => !isOfOperator(object)));
  });
});

describe('templates of Secrets', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sallyport-templates-'));
    for (const [name, value] of SECRET_TEMPLATES.flatMap((it) => Object.entries(it['stringData'] as Labels))) {
      await writeFile(join(directory, name), value);
    }
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('are not part of any kustomization', () => {
    for (const objects of Object.values(KUSTOMIZATIONS)) expect(ofKind(objects, 'Secret')).toEqual([]);
  });

  it('contain no secret', () => {
    const values = SECRET_TEMPLATES.flatMap((template) => Object.values(template['stringData'] as Labels));
    expect(new Set(values)).toEqual(new Set(['REPLACE-ME']));
  });

  it('are refused by the gateway unless edited', async () => {
    await expect(readAdminToken(join(directory, 'admin-token'))).rejects.toThrow('at least 32');
    await expect(readUsersFile(join(directory, 'users.yaml'))).rejects.toThrow('users.yaml');
    await expect(readKeyDirectory(directory, 'ES256')).rejects.toThrow('not a key file');
  });

  it('have the names that volumes and containers refer to', () => {
    const [ingress] = GATEWAY_PODS.filter(({ from }) => from === 'examples/ingress');
    const wanted = ingress!.pod.spec.volumes?.flatMap(({ secret }) =>
      secret === undefined ? [] : [secret.secretName],
    );
    expect(wanted).toEqual(SECRET_TEMPLATES.map(({ metadata }) => metadata.name));
  });
});
