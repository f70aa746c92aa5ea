/**
 * Completes `package-lock.json` with optional packages for other platforms.
 *
 * `npm install` leaves out optional packages that the registry at hand does not carry, and a later `npm ci` refuses the
 * lock for lacking them. This adds an entry for each that is missing, limited to a platform that is not this one, so that
 * `npm ci` accepts the lock and installs nothing more.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Package {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly dev?: boolean;
}
interface Lock {
  packages: Record<string, object>;
}

const path = join(import.meta.dirname, "..", "..", "package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8")) as Lock;
let added = 0;

/** Where a name says that its platform is. */
function platformOf(name: string): {
  readonly os: readonly string[];
  readonly cpu: readonly string[];
} {
  const systems = [
    "android",
    "darwin",
    "freebsd",
    "netbsd",
    "openbsd",
    "openharmony",
    "sunos",
    "aix",
    "win32",
    "linux",
  ];
  const processors = [
    "arm64",
    "arm",
    "x64",
    "ia32",
    "ppc64",
    "riscv64",
    "s390x",
    "loong64",
    "mips64el",
    "wasm32",
  ];
  const os = systems.find((each) => name.includes(each)) ?? "unknown";
  const cpu = processors.find((each) => name.includes(each)) ?? "unknown";
  return { os: [os], cpu: [cpu] };
}

for (const entry of Object.values(lock.packages) as Package[]) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] !== undefined) continue;
    lock.packages[key] = {
      version,
      ...platformOf(name),
      ...(entry.dev === true ? { dev: true } : {}),
      optional: true,
    };
    added++;
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(sorted);
writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(`${added} entries added`);
