import { defineCommand, EXIT, UsageFault } from '../command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION, loadConfiguration } from '../io/configuration.ts';
import { readInput } from '../io/input.ts';
import { show } from '../io/output.ts';

/** `sallyport explain`. */
export const explain = defineCommand({
  name: 'explain',
  summary: 'Show what the gateway would do with a request, and why',
  description: [
    'Runs a request through the code of the gateway up to the point where it would be sent. Shows how it is read, which route matches and why others do not, which credential the route needs, each criterion of its allow rule, the limits that apply, what the upstream would get, and the claims of the token. Opens no connections, and does not need the files that the configuration names.',
    'Describe a session by the attributes of its user: roles=customer,roles=admin,email=bob@example.com,subject=bob; write name:=JSON for a value that is not text. How they logged in: provider=corporate,acr=gold,amr=otp,authAge=10m; without a provider it is a login with a password. Describe a service token as issuer:subject and its claims: billing:invoices,scope=orders:read, or act:={"sub":"cart"} for a call by cart on behalf of the subject. Name a ServiceAccount as namespace/name, or with more than one cluster as cluster:namespace/name.',
  ],
  args: [
    { name: 'METHOD', description: 'GET, POST, …' },
    {
      name: 'URL',
      description: 'https://host/path?query, or /path on the first public origin. Sent exactly as written.',
    },
  ],
  options: {
    session: {
      type: 'string',
      value: 'KEY=VALUE,…',
      description: 'The request has a session of a user with these attributes.',
    },
    service: {
      type: 'string',
      value: 'NS/NAME,…',
      description: 'The request has a service token of this ServiceAccount, or of ISSUER:SUBJECT.',
    },
    'token-file': {
      type: 'string',
      value: 'FILE',
      description:
        'The request presents the token in this file; - is standard input. What it says is judged by the rules of its issuer, but its signature is not ("token verify --config" does that). The token is never printed.',
    },
    header: { type: 'string', value: "'NAME: VALUE'", multiple: true, description: 'The request has this header.' },
    outbound: {
      type: 'boolean',
      description: 'The workload beside the gateway makes this call, on the outbound side.',
    },
    http2: {
      type: 'boolean',
      description: 'The request comes over HTTP/2. Write a WebSocket handshake with the headers of HTTP/1.1.',
    },
    as: {
      type: 'string',
      value: 'FORM',
      description:
        'A proxy asks about the request in this form: forward-auth, auth-request, refusal or ext-authz on listeners.authorizer, ext-authz-grpc on listeners.grpcAuthorizer.',
    },
    from: {
      type: 'string',
      value: 'ADDRESS',
      description: 'Address of the client. Default: 192.0.2.1, with --outbound 127.0.0.1.',
    },
    expect: {
      type: 'string',
      value: 'OUTCOME',
      description:
        'Fail unless this is the result: allow, deny, a status such as 403, or a reason such as route_forbidden.',
    },
    config: CONFIG_OPTION,
    json: JSON_OPTION,
  },
  examples: [
    ['sallyport explain GET /api/orders --session roles=customer', 'A customer requests the orders'],
    [
      'sallyport explain POST https://shop.example.com/api/orders --expect deny',
      'In CI: a request without a session is refused',
    ],
    [
      'sallyport explain GET /internal/orders --service shop/cart',
      'The ServiceAccount cart of the namespace shop calls',
    ],
    [
      'sallyport explain GET /payouts --session provider=corporate,acr=gold,authAge=10m',
      'A user who logged in at an identity provider ten minutes ago',
    ],
    ['sallyport explain --outbound GET http://orders.internal/1', 'The workload calls another service'],
    ['sallyport explain GET /api/orders --session roles=customer --as forward-auth', 'Traefik asks about it'],
    ['sallyport explain GET /internal/orders --service billing:invoices,scope=orders:read', 'Another service calls'],
  ],
  exit: {
    ok: 'explained, and the result matches --expect',
    failed: 'the configuration is not valid, or the result does not match --expect',
  },
  async run({ options, args, io }) {
    const { refuseUnknownOutcome } = await import('./question.ts');
    if (options.expect !== undefined) refuseUnknownOutcome(options.expect);
    const path = configPath(options.config, io);
    const tokenFile = options['token-file'];
    if (path === '-' && tokenFile === '-')
      throw new UsageFault('the configuration and the token cannot both be on standard input');
    const { loaded } = await loadConfiguration(path, io, true);
    const token = tokenFile === undefined ? null : await readInput(tokenFile, io);
    const { answerQuestion } = await import('./answer.ts');
    const [method = '', url = ''] = args;
    const question = { method, url, ...options };
    const { explanation, text } = await answerQuestion(question, token, loaded.config, io.clocks);
    show(io, options.json, explanation, text);
    if (options.expect === undefined || isExpected(options.expect, explanation)) return EXIT.ok;
    io.stderr.write(`expected ${options.expect}\n`);
    return EXIT.failed;
  },
});

interface Outcome {
  readonly outcome: string;
  readonly response: { readonly status: number; readonly reason: string | null } | null;
}

function isExpected(expected: string, { outcome, response }: Outcome): boolean {
  if (expected === 'allow') return outcome === 'forwarded' || outcome === 'allowed';
  if (expected === 'deny') return outcome === 'denied';
  return expected === String(response?.status) || expected === response?.reason;
}
