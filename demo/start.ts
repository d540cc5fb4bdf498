/**
 * `npm start`: runs the demo upstream, an identity provider, and the gateway with the code of `sallyport start`. Prints what to
 * try as soon as the gateway is ready.
 */

import { chmodSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache();

const { runCli } = await import('../src/cli/run.ts');
const { systemClocks } = await import('../src/lib/clock.ts');
const { DemoProvider } = await import('./provider/provider.ts');
const { startDemoUpstream } = await import('./upstream.ts');

/** The port in a variable, or the default. A value that is not a port ends the demo with one line. */
function portOf(variable: string, standard: string): string {
  const port = process.env[variable] || standard;
  if (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535) return port;
  process.stderr.write(`${variable} is ${JSON.stringify(port)}: it must be a port, 1 to 65535\n`);
  process.exit(1);
}

const [PORT, ADMIN_PORT] = [portOf('PORT', '8080'), portOf('ADMIN_PORT', '9090')];

// Git does not store who may read a file, and the gateway warns about a users file that everybody can read.
chmodSync(join(import.meta.dirname, 'users.yaml'), 0o600);

const { origin } = new URL(`http://localhost:${PORT}`);
const upstream = await startDemoUpstream({
  jwksUrl: `${origin}/.well-known/jwks.json`,
  issuer: origin,
  audience: ['demo', 'orders'],
});
const provider = await DemoProvider.listen(`${origin}/auth/callback/demo`);

const TRY = `
Try, in another terminal:

  # 1. Without a session, nobody gets in: 401
  curl -i ${origin}/api/orders

  # 2. Log in. The cookie stays between you and the gateway
  curl -i -c cookies.txt -H 'Content-Type: application/json' -d '{"username":"demo","password":"demo-password"}' ${origin}/auth/login

  # 3. Call again. The service shows the token that it got instead, and verified
  curl -b cookies.txt ${origin}/api/orders

Or open ${origin}/ in a browser, and log in as demo with the password demo-password, or with the demo provider as Ada or Grace.
Stop with Ctrl-C.
`;

let isReady = false;
process.exitCode = await runCli(['start', '--config', join(import.meta.dirname, 'sallyport.yaml')], {
  stdin: process.stdin,
  stdout: {
    // The first line that `start` writes says that it is ready.
    isTTY: true,
    write: (text: string) => {
      process.stdout.write(isReady ? text : `${text}${TRY}`);
      if (!isReady) void provider.load();
      isReady = true;
    },
  },
  stderr: {
    write: (text: string) => {
      process.stderr.write(
        /: another program is listening there: /.test(text) ? `${text}Set PORT or ADMIN_PORT to another port.\n` : text,
      );
    },
  },
  env: { ...process.env, PORT, ADMIN_PORT, DEMO_UPSTREAM: upstream.origin, DEMO_PROVIDER: provider.issuer },
  cwd: process.cwd(),
  clocks: systemClocks,
  startedAtMs: 0,
});
upstream.server.close();
upstream.server.closeAllConnections();
provider.close();
