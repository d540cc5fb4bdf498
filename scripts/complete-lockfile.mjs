/**
 * Adds to package-lock.json the optional platform packages that a partial registry mirror left out.
 *
 * `npm install` drops an optional dependency that the registry in use does not carry (another system's native
 * binary, say), and `npm ci` then refuses the lock on every machine: "Missing: … from lock file". This script
 * reads each locked package's `optionalDependencies` and adds an entry for every one that is absent, limited by
 * `os` and `cpu` (read from the package's name) to the system it is for. The entries bear no integrity hash,
 * because the tarball was not seen; `npm install` against a complete registry fills it in.
 *
 * Usage: node scripts/complete-lockfile.mjs   (after every `npm install`; it is idempotent)
 */
import { readFileSync, writeFileSync } from 'node:fs';

const OS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const CPU = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

const lockPath = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(lockPath, 'utf8'));
const packages = lock.packages;
const added = [];

for (const [path, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`;
    const hoisted = `node_modules/${name}`;
    if (packages[nested] !== undefined || packages[hoisted] !== undefined) continue;
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
      throw new Error(`${name}: only an exact version can be completed, found "${version}" in ${path}`);
    }
    const words = name.split('/').at(-1).split(/[-.]/);
    const os = OS.find((word) => words.includes(word));
    const cpu = CPU.find((word) => words.includes(word) || words.includes(`${word}v7`));
    packages[hoisted] = {
      version,
      resolved: `https://registry.npmjs.org/${name}/-/${name.split('/').at(-1)}-${version}.tgz`,
      ...(cpu && { cpu: [cpu] }),
      ...(entry.dev && { dev: true }),
      optional: true,
      ...(os && { os: [os] }),
      ...(words.includes('musl') && { libc: ['musl'] }),
    };
    added.push(`${name}@${version} os=${os ?? 'any'} cpu=${cpu ?? 'any'}`);
  }
}

lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
writeFileSync(lockPath, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added.length} entries added\n${added.map((line) => `  ${line}\n`).join('')}`);
