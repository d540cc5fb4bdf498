/** `sallyport inject` adds what `k8s/components/sidecar` adds, and removing it leaves no trace. */

import { globSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { type SidecarOptions, sidecarContainer, sidecarVolumes } from '../../src/cli/inject/sidecar.ts';
import { inject, remove } from '../../src/cli/inject/workloads.ts';
import { podsOf, restrictedProblems } from '../support/kubernetes/pod.ts';
import { parseObjects, readYaml, renderOnto, repositoryPath } from '../support/kubernetes/render.ts';
import { schemaProblems } from '../support/kubernetes/schema.ts';
import { cli, temporaryFile } from './support.ts';

const OPTIONS: SidecarOptions = {
  image: 'sallyport:0.1.0',
  configMap: 'sallyport-sidecar',
  port: 10_080,
  adminPort: 10_090,
  outboundPort: 15_001,
  outbound: {},
  tokens: [],
};
const OUTBOUND = { ...OPTIONS, outbound: { STOCK_URL: '/stock' }, tokens: ['stock'] };

const APP = readFileSync(repositoryPath('k8s/examples/sidecar/app.yaml'), 'utf8');

// biome-ignore lint/suspicious/noExplicitAny: manifests have no types here.
type Json = any;

describe('the sidecar', () => {
  it('is the one that the Kustomize component adds', () => {
    const [kustomize] = renderOnto(
      readYaml(repositoryPath('k8s/examples/sidecar/app.yaml')),
      repositoryPath('k8s/components/sidecar'),
    );
    const [ours] = parseObjects(inject(APP, OPTIONS).text, 'injected') as Json[];
    const { 'sallyport-injected': injected, ...annotations } = ours.spec.template.metadata.annotations;
    expect(injected).toMatch(/^\{"created":/);
    expect(annotations).toEqual({});
    ours.spec.template.metadata.annotations = undefined;
    expect(ours).toEqual(kustomize);
  });

  it('alone mounts the token for outbound calls, where the example configuration names it', () => {
    const [ours] = podsOf(parseObjects(inject(APP, OUTBOUND).text, 'injected'));
    const configuration = readFileSync(repositoryPath('k8s/examples/sidecar/sallyport.yaml'), 'utf8');
    const { tokenFile } = parse(configuration).outbound.destinations[0].token.kubernetes;
    const mount = ours!.gateway!.volumeMounts!.find(({ name }) => name === 'sallyport-tokens')!;
    const [source] = ours!.spec.volumes!.find(({ name }) => name === 'sallyport-tokens')!.projected!.sources;
    expect(`${mount.mountPath}/${source!.serviceAccountToken!.path}`).toBe(tokenFile);
    expect(source).toEqual({ serviceAccountToken: { path: 'stock/token', audience: 'stock', expirationSeconds: 600 } });
    const [app] = ours!.spec.containers as Json[];
    expect(app.volumeMounts.map(({ name }: { name: string }) => name)).toEqual(['tmp']);
    expect(app.env).toEqual([{ name: 'STOCK_URL', value: 'http://127.0.0.1:15001/stock' }]);
  });

  const POD = parse(APP.split('\n---\n')[0]!).spec.template;
  it.each([
    ['Deployment', 'apps/v1', { selector: { matchLabels: { app: 'orders' } }, template: POD }],
    ['StatefulSet', 'apps/v1', { serviceName: 'orders', selector: {}, template: POD }],
    ['DaemonSet', 'apps/v1', { selector: {}, template: POD }],
    ['ReplicaSet', 'apps/v1', { selector: {}, template: POD }],
    ['Job', 'batch/v1', { template: POD }],
    ['CronJob', 'batch/v1', { schedule: '0 0 * * *', jobTemplate: { spec: { template: POD } } }],
    ['Pod', 'v1', POD.spec],
  ])('is accepted in a %s by the Kubernetes API and the "restricted" profile', (kind, apiVersion, spec) => {
    const written = stringify({ apiVersion, kind, metadata: { name: 'orders' }, spec });
    const { text, templates } = inject(written, OUTBOUND);
    expect(templates).toEqual([{ title: `${kind} orders`, done: 'added' }]);
    const [object] = parseObjects(text, 'injected');
    const before = schemaProblems(parse(written));
    expect(schemaProblems(object!)).toEqual(before);
    if (kind === 'Deployment') expect(restrictedProblems(podsOf([object!])[0]!)).toEqual([]);
    expect(JSON.stringify(object)).toContain('"restartPolicy":"Always","args":["start"');
  });

  it('is added only to workloads, in a List, in several documents and in JSON', () => {
    const [deployment, service] = parseAllDocuments(APP).map((document) => document.toJS() as Json);
    const list = { apiVersion: 'v1', kind: 'List', items: [service, deployment, { kind: 'Unknown', spec: 1 }] };
    for (const text of [JSON.stringify(list, null, 4), stringify(list), `${APP}---\n${JSON.stringify(deployment)}`]) {
      const { text: injected, templates } = inject(text, OPTIONS);
      const count = injected.split('/startupz').length - 1;
      expect(count).toBe(templates.length);
      expect(templates.map(({ title }) => title)).toEqual(Array(count).fill('Deployment orders'));
      expect(remove(injected).text).toBe(text);
    }
  });
});

/** Ways to write a manifest of an object. */
const WRITERS: Readonly<Record<string, (object: Json) => string>> = {
  'indented lists': (object) => stringify(object),
  'lists below their key': (object) => stringify(object, { indentSeq: false }),
  'four spaces': (object) => stringify(object, { indent: 4 }),
  'flow style': (object) => stringify(object, { collectionStyle: 'flow' }),
  JSON: (object) => JSON.stringify(object),
  'JSON in lines': (object) => JSON.stringify(object, null, 4),
  'JSON with tabs': (object) => JSON.stringify(object, null, '\t'),
};

/** A value that may be missing, empty or present. */
const maybe = <T>(empty: T, full: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, fc.constant(empty), { weight: 2, arbitrary: full });
const named = fc.constantFrom('a', 'b-1', 'no', '1e3').map((name) => ({ name, emptyDir: {} }));
const containers = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('web', 'worker', 'on', '0x1'),
    image: fc.constantFrom('app:1', 'registry.example.com:5000/app@sha256:00'),
    env: maybe<object[]>([], fc.constant([{ name: 'A', value: 'multi\nline\n' }])),
    ports: maybe<object[]>([], fc.constant([{ containerPort: 8080 }])),
  }),
  { minLength: 1, maxLength: 3, selector: ({ name }) => name },
);
const pod = fc.record({
  hostAliases: maybe<object[]>([], fc.constant([{ ip: '::1' }])),
  initContainers: maybe<object[]>(
    [],
    fc.constant([{ name: 'first', image: 'x', command: ['sh', '-c', '# no\ncomment'] }]),
  ),
  containers,
  volumes: maybe<object[]>([], fc.array(named, { minLength: 1, maxLength: 2 })),
  securityContext: maybe<object>({}, fc.constant({ runAsUser: 5 })),
});
const metadata = maybe(
  {},
  fc.record({
    labels: maybe<object>({}, fc.constant({ app: 'orders', 'x/y': 'true' })),
    annotations: maybe<object>({}, fc.constant({ note: 'a: b # c' })),
  }),
);
const template = fc.record({ metadata, spec: pod });
const workload = fc.oneof(
  template.map((it) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: { template: it },
  })),
  template.map((it) => ({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'c' },
    spec: { jobTemplate: { spec: { template: it } } },
  })),
  fc
    .record({ metadata: fc.constant({ name: 'p' }), spec: pod })
    .map((it) => ({ apiVersion: 'v1', kind: 'Pod', ...it })),
  fc.constant({ apiVersion: 'v1', kind: 'Service', metadata: { name: 's' } }),
);
const plain = (object: unknown): Json => JSON.parse(JSON.stringify(object));

/** Comments above some lines that begin a key or an item of block style, as people write them. */
function commented(text: string, every: number): string {
  let isInText = false;
  const lines = text.split('\n').flatMap((line, index) => {
    const indent = /^ */.exec(line)![0];
    const comment =
      !isInText && index % every === 0 && /^ *(?:- )?[\w"-]+:/.test(line) ? [`${indent}# line ${index}`] : [];
    // The next lines belong to a multi-line text.
    if (/[|>][-+]?$/.test(line)) isInText = true;
    else if (isInText && /^ *(?:- )?[\w"-]+:/.test(line) && !line.includes('comment')) isInText = false;
    return [...comment, index % every === 1 && /: [\w.]+$/.test(line) ? `${line} # here` : line];
  });
  return lines.join('\n');
}

const manifest = fc
  .record({
    objects: fc.array(workload, { minLength: 1, maxLength: 2 }),
    style: fc.constantFrom(...Object.keys(WRITERS)),
    every: fc.integer({ min: 2, max: 9 }),
    eol: fc.constantFrom('\n', '\r\n'),
    isEnded: fc.boolean(),
    isList: fc.boolean(),
  })
  .map(({ objects, style, every, eol, isEnded, isList }) => {
    const all = isList ? [{ apiVersion: 'v1', kind: 'List', items: objects }] : objects;
    const written = all.map((object) => WRITERS[style]!(plain(object)).trimEnd());
    const isBlock = !/JSON|flow/.test(style);
    const text = `# made by hand\n${written.map((it) => (isBlock ? commented(it, every) : it)).join('\n---\n')}`;
    return { objects: plain(objects) as Json[], text: `${text}${isEnded ? '\n' : ''}`.replaceAll('\n', eol), isList };
  });
const readBack = (text: string, isList: boolean): Json[] => {
  const objects = parseAllDocuments(text).map((document) => document.toJS());
  return isList ? objects[0].items : objects;
};

/** An API server does not distinguish an empty list or map from a missing one. */
const withoutEmpty = (value: Json): Json =>
  JSON.parse(
    JSON.stringify(value, (_key, part) =>
      part === null || (typeof part === 'object' && Object.keys(part).length === 0) ? undefined : part,
    ),
  );

/** What injecting means, on objects instead of text. */
function expected(object: Json): Json {
  const owner = { Deployment: object.spec?.template, CronJob: object.spec?.jobTemplate?.spec.template, Pod: object };
  const it = owner[object.kind as keyof typeof owner];
  if (it === undefined) return object;
  it.spec.initContainers = [sidecarContainer(OUTBOUND), ...(it.spec.initContainers ?? [])];
  it.spec.volumes = [...sidecarVolumes(OUTBOUND), ...(it.spec.volumes ?? [])];
  for (const container of it.spec.containers) {
    container.env = [{ name: 'STOCK_URL', value: 'http://127.0.0.1:15001/stock' }, ...(container.env ?? [])];
  }
  const { labels, annotations, ...others } = it.metadata ?? {};
  const injected = { 'sallyport-injected': expect.any(String), ...annotations };
  it.metadata = { ...others, labels: { 'sallyport-sidecar': 'enabled', ...labels }, annotations: injected };
  return object;
}

describe('any manifest', () => {
  test('gets the sidecar once, in any style, and removing it restores every byte', () => {
    fc.assert(
      fc.property(manifest, ({ objects, text, isList }) => {
        const once = inject(text, OUTBOUND).text;
        expect(readBack(once, isList)).toEqual(objects.map(expected));
        expect(inject(once, OUTBOUND).text).toBe(once);
        expect(inject(inject(text, OPTIONS).text, OUTBOUND).text).toBe(once);
        expect(remove(once).text).toBe(text);
      }),
      { numRuns: 25 },
    );
  });

  test('loses the sidecar after an API server has rewritten it', () => {
    fc.assert(
      fc.property(manifest, ({ objects, text, isList }) => {
        const stored = stringify(readBack(inject(text, OUTBOUND).text, isList), {
          sortMapEntries: true,
          indentSeq: false,
        });
        const list = `apiVersion: v1\nkind: List\nitems:\n${stored}`;
        expect(withoutEmpty(parse(remove(list).text).items)).toEqual(withoutEmpty(objects));
      }),
      { numRuns: 15 },
    );
  });

  // Except for the gateway's own Pods, and patches.
  const files = globSync('k8s/{base,examples}/**/*.yaml', { cwd: repositoryPath('.') });
  test.each(files.filter((path) => !/deployment|tokens/.test(path)))('%s is restored unchanged', (path) => {
    const text = readFileSync(repositoryPath(path), 'utf8');
    expect(remove(inject(text, OUTBOUND).text).text).toBe(text);
  });
});

describe('a manifest written by hand', () => {
  const SMALL = `# An app.
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  template:
    metadata:
      labels: # of Pods
        app: web
    spec:
      # One.
      containers:
        - name: web # the app
          image: web:1
      volumes:
`;

  it('keeps comments in their place, and has an empty key filled', () => {
    const { text } = inject(SMALL, OPTIONS);
    expect(text).toMatch(/labels: # of Pods\n {8}sallyport-sidecar: enabled\n {8}app: web\n/);
    expect(text).toMatch(/readOnly: true\n {6}# One\.\n {6}containers:\n {8}- name: web # the app\n/);
    expect(text).toMatch(/volumes:\n {8}- name: sallyport-config\n {10}configMap:\n {12}name: sallyport-sidecar\n$/);
    expect(remove(text).text).toBe(SMALL);
    const unended = SMALL.trimEnd();
    expect(remove(inject(unended, OPTIONS).text).text).toBe(unended);
  });

  it('keeps what others have added in the meantime', () => {
    const changed = inject(SMALL, OPTIONS)
      .text.replace('      initContainers:\n', '      initContainers:\n        - name: mine\n          image: x\n')
      .replace('      annotations:\n', '      annotations:\n        mine: "yes"\n');
    const { spec } = parse(remove(changed).text);
    expect(spec.template.spec.initContainers).toEqual([{ name: 'mine', image: 'x' }]);
    expect(spec.template.metadata).toEqual({ annotations: { mine: 'yes' }, labels: { app: 'web' } });
  });

  it('with the label "disabled" is left alone, and an existing label is kept', () => {
    const disabled = SMALL.replace('app: web', 'sallyport-sidecar: disabled');
    expect(inject(disabled, OPTIONS)).toEqual({
      text: disabled,
      templates: [{ title: 'Deployment web', done: 'unchanged' }],
    });
    const enabled = SMALL.replace('app: web', 'sallyport-sidecar: enabled');
    const { text } = inject(enabled, OPTIONS);
    expect(text.match(/sallyport-sidecar: enabled/g)).toHaveLength(1);
    expect(remove(text).text).toBe(enabled);
  });

  it.each<[what: string, change: (text: string) => string, message: string]>([
    ['the node network', (it) => it.replace('# One.', 'hostNetwork: true'), 'hostNetwork'],
    [
      'a shared process namespace and a token',
      (it) => it.replace('# One.', 'shareProcessNamespace: true'),
      'the app could read the tokens of the sidecar',
    ],
    [
      'the port of the sidecar',
      (it) => it.replace('image: web:1', 'ports: [{ containerPort: 10080 }]'),
      'container web listens on 10080, which the sidecar needs: choose another port with --port',
    ],
    [
      'the port of the outbound side',
      (it) => it.replace('image: web:1', 'ports: [{ containerPort: 15001 }]'),
      'choose another port with --outbound-port',
    ],
    [
      'a container with the same name',
      (it) => it.replace('name: web # the app', 'name: sallyport'),
      'already has a container called sallyport, which inject did not add',
    ],
    [
      'a volume with the same name',
      (it) => it.replace('volumes:', 'volumes: [{ name: sallyport-config }]'),
      'already has a volume called sallyport-config, which inject did not add',
    ],
    [
      'the same environment variable',
      (it) => it.replace('image: web:1', 'env: [{ name: STOCK_URL, value: x }]'),
      'container web already sets STOCK_URL',
    ],
    ['an explicit null', (it) => it.replace('volumes:', 'volumes: null'), 'volumes in line 15 is null: remove it'],
    [
      'an alias',
      (it) => it.replace('spec:\n  template:', 'x: &t {}\nspec:\n  template: *t\n  other:'),
      'template is an alias (*t): write it out',
    ],
    ['a merge key', (it) => it.replace('# One.', '<<: {}'), 'a merge key (<<) is in the way'],
    ['no container', (it) => it.replace(/containers:[\s\S]*volumes/, 'volumes'), 'its Pod has no containers'],
    ['no Pod', (it) => it.replace('template:', 'tmplate:'), 'template is missing, or not a map'],
  ])('with %s is refused by the name of the workload', (_what, change, message) => {
    expect(() => inject(change(SMALL), OUTBOUND)).toThrow(/^Deployment web: /);
    expect(() => inject(change(SMALL), OUTBOUND)).toThrow(message);
  });

  it('with a changed record is refused', () => {
    const text = inject(SMALL, OPTIONS).text.replace('{"created":', '{"create":');
    expect(() => remove(text)).toThrow('its annotation sallyport-injected was changed');
  });
});

describe('the command', () => {
  const path = repositoryPath('k8s/examples/sidecar/app.yaml');

  it('reads standard input or a file, and reports on standard error', async () => {
    const fromFile = await cli([
      'inject',
      path,
      '--image',
      'registry.example.com/sallyport@sha256:00',
      '--config-map',
      'x',
    ]);
    expect(fromFile).toMatchObject({ code: 0, err: 'Deployment orders: sidecar added\n' });
    const piped = ['inject', '--image=registry.example.com/sallyport@sha256:00', '--config-map=x'];
    expect(await cli(piped, { stdin: APP })).toEqual(fromFile);
    expect(fromFile.out).toContain('image: registry.example.com/sallyport@sha256:00\n');
    const removed = await cli(['inject', '--remove', '-'], { stdin: fromFile.out });
    expect(removed).toEqual({ code: 0, out: APP, err: 'Deployment orders: sidecar removed\n' });
  });

  it('passes on a manifest without a workload', async () => {
    const text = 'kind: ConfigMap\n';
    const { code, out, err } = await cli(['inject'], { stdin: text });
    expect({ code, out, err }).toEqual({
      code: 0,
      out: text,
      err: 'standard input has no workload: written as it is\n',
    });
  });

  it('writes nothing if one of several workloads cannot have the sidecar', async () => {
    const { code, out, err } = await cli(['inject', '--port', '80'], {
      stdin: `${APP}---\n${APP.replace('image: ghcr', 'ports: [{ containerPort: 80 }]\n          image: ghcr')}`,
    });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('standard input: Deployment orders: container orders listens on 80');
  });

  it('says where the input is not YAML', async () => {
    const { code, out, err } = await cli(['inject', temporaryFile('bad.yaml', 'a: 1\nb: [\n')]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/bad\.yaml: line \d, column \d: /);
  });

  it.each([
    [['--port', '0'], '--port is not a port'],
    [['--port', '10090'], 'the three ports must differ'],
    [['--config-map', 'A_b'], '--config-map is not the name of a ConfigMap'],
    [['--image', 'a b'], '--image is not the name of an image'],
    [['--outbound', 'STOCK_URL'], '--outbound needs a name and a path'],
    [['--token', '..'], '--token needs an audience'],
    [['--token', 'a/b', '--token', 'a:b'], 'two audiences of --token would have the same file'],
  ])('%j is an invalid command line', async (args, message) => {
    const { code, err } = await cli(['inject', ...args], { stdin: APP });
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
