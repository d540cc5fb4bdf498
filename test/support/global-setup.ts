/** Runs once before all test files. */
export default function setup(): void {
  // Tests talk to loopback only: a proxy in the environment would carry them away.
  for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NODE_USE_ENV_PROXY'])
    delete process.env[name];
}
