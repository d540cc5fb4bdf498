/** `sallyport inject`: adds the gateway to Kubernetes workloads as a sidecar. */

import { VERSION } from '../../version.ts';
import { defineCommand, EXIT, type OptionValues, UsageFault } from '../command.ts';
import { readInput } from '../io/input.ts';
import { type SidecarOptions, tokenPath } from './sidecar.ts';

/** Names of environment variables that both Kubernetes and shells accept. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const OBJECT_NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

/** Options that describe the sidecar. */
const SIDECAR_OPTIONS = {
  image: {
    type: 'string',
    value: 'IMAGE',
    description: 'The image of the gateway.',
    default: `ghcr.io/sallyport/sallyport:${VERSION}`,
  },
  'config-map': {
    type: 'string',
    value: 'NAME',
    description: 'The ConfigMap with sallyport.yaml.',
    default: 'sallyport-sidecar',
  },
  port: { type: 'string', value: 'PORT', description: 'Port of listeners.public.', default: '10080' },
  'admin-port': { type: 'string', value: 'PORT', description: 'Port of listeners.admin.', default: '10090' },
  outbound: {
    type: 'string',
    value: 'NAME=PATH',
    multiple: true,
    description:
      'Set this environment variable in every container of the app to a URL on the outbound listener: STOCK_URL=/stock sets it to http://127.0.0.1:15001/stock.',
  },
  'outbound-port': { type: 'string', value: 'PORT', description: 'Port of outbound.address.', default: '15001' },
  token: {
    type: 'string',
    value: 'AUDIENCE',
    multiple: true,
    description:
      'Give only the sidecar a ServiceAccount token for this audience, as /var/run/secrets/sallyport/AUDIENCE/token. In this path, characters other than letters, digits, dots, hyphens and underscores become hyphens.',
  },
} as const;

/** `sallyport inject`. */
export const injectCommand = defineCommand({
  name: 'inject',
  summary: 'Add the gateway to Kubernetes workloads as a sidecar',
  description: [
    'Reads manifests (YAML or JSON, several documents, a List), and writes them with the gateway as a native sidecar in each Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob and Pod. Everything else stays as it is, comments included. Running it again changes nothing; with other options, it replaces what it added before. --remove takes the sidecar out.',
    'The configuration is in a ConfigMap that you create. Pod templates with the label sallyport-sidecar: disabled are skipped. docs/how-to/deploy-kubernetes-sidecar.md says what the app needs, such as a Service that leads to the port sallyport-http.',
  ],
  args: [{ name: 'FILE', description: 'The manifests. Default: standard input.', isOptional: true }],
  options: { ...SIDECAR_OPTIONS, remove: { type: 'boolean', description: 'Take the sidecar out.' } },
  examples: [
    ['kubectl get deployment orders -o yaml | sallyport inject | kubectl apply -f -', 'One that runs'],
    [
      'sallyport inject orders.yaml --outbound STOCK_URL=/stock --token stock > orders.injected.yaml',
      'For an app that calls another service',
    ],
    ['sallyport inject --remove < orders.injected.yaml', 'What it was before'],
  ],
  exit: { ok: 'written', failed: 'the input is not YAML, or the sidecar does not fit into a Pod; nothing is written' },
  async run({ options, args: [file = '-'], io }) {
    const { inject, remove } = await import('./workloads.ts');
    const { naming } = await import('./templates.ts');
    const text = await readInput(file, io);
    const shown = file === '-' ? 'standard input' : file;
    const changed = naming(shown, () => (options.remove ? remove(text) : inject(text, sidecarOptions(options))));
    io.stdout.write(changed.text);
    for (const { title, done } of changed.templates) io.stderr.write(`${title}: ${SAYS[done]}\n`);
    if (changed.templates.length === 0) io.stderr.write(`${shown} has no workload: written as it is\n`);
    return EXIT.ok;
  },
});

const SAYS = { added: 'sidecar added', removed: 'sidecar removed', unchanged: 'left as it is' } as const;

type GivenOptions = OptionValues<typeof SIDECAR_OPTIONS>;

function sidecarOptions(given: GivenOptions): SidecarOptions {
  const { image = SIDECAR_OPTIONS.image.default, 'config-map': configMap = SIDECAR_OPTIONS['config-map'].default } =
    given;
  if (!/^[^\s]+$/.test(image)) throw new UsageFault('--image is not the name of an image');
  if (!OBJECT_NAME.test(configMap)) throw new UsageFault('--config-map is not the name of a ConfigMap');
  const port = portOf('port', given);
  const adminPort = portOf('admin-port', given);
  const outboundPort = portOf('outbound-port', given);
  if (new Set([port, adminPort, outboundPort]).size < 3) throw new UsageFault('the three ports must differ');
  const outbound = Object.fromEntries(given.outbound.map(variableOf));
  return { image, configMap, port, adminPort, outboundPort, outbound, tokens: audiencesOf(given.token) };
}

function portOf(option: 'port' | 'admin-port' | 'outbound-port', given: GivenOptions): number {
  const text = given[option] ?? SIDECAR_OPTIONS[option].default;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new UsageFault(`--${option} is not a port`);
  return port;
}

function variableOf(text: string): readonly [name: string, path: string] {
  const at = text.indexOf('=');
  const [name, path] = [text.slice(0, at), text.slice(at + 1)];
  if (!(VARIABLE.test(name) && path.startsWith('/'))) {
    throw new UsageFault('--outbound needs a name and a path, such as STOCK_URL=/stock');
  }
  return [name, path];
}

function audiencesOf(tokens: readonly string[]): readonly string[] {
  const unsafe = tokens.find((audience) => audience === '' || /^\.+$/.test(audience));
  if (unsafe !== undefined) throw new UsageFault('--token needs an audience');
  if (new Set(tokens.map(tokenPath)).size < tokens.length) {
    throw new UsageFault('two audiences of --token would have the same file');
  }
  return tokens;
}
