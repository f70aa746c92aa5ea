/**
 * Bundles what the package ships into `dist/package`: one ES module per subpath, what they share in chunks, engines in
 * chunks of their own that load when a url names them. Node loads a small file in about 0.3 ms, so that the unbundled
 * sources would make the first lock several times slower.
 *
 * Invariants: I1 the library has no import from outside but `node:` and the optional peer. I2 the command line carries
 * what it uses, with the licences of it. I3 names are kept, so that a stack trace can be read.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import type { BuildOptions, Metafile } from "esbuild";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..", "..");
const compiled = join(root, "dist", "src");
const target = join(root, "dist", "package");
const PEERS = ["@grpc/grpc-js"];

const common = {
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: PEERS,
  metafile: true,
  logLevel: "warning",
} satisfies BuildOptions;

const REQUIRE = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
].join("\n");

/** Imports of the built files that leave the bundle. */
function foreignImports(metafile: Metafile): readonly string[] {
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const foreign = imports.filter((each) => each.external === true && !isBuiltin(each.path));
  return [...new Set(foreign.map((each) => each.path))].filter((path) => !PEERS.includes(path));
}

/** The packages whose files went into the bundle. */
function bundledPackages(metafile: Metafile): readonly string[] {
  const ofPackage = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//;
  const names = Object.keys(metafile.inputs).map((path) => ofPackage.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

function licences(packages: readonly string[]): string {
  return packages
    .map((name) => {
      const folder = join(root, "node_modules", name);
      const { version, license } = JSON.parse(
        readFileSync(join(folder, "package.json"), "utf8"),
      ) as {
        readonly version: string;
        readonly license: string;
      };
      return `${name} ${version} (${license})\n\n${licenceText(folder)}`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}

function licenceText(folder: string): string {
  for (const file of ["LICENSE", "LICENSE.md", "LICENSE-MIT.txt", "license"]) {
    try {
      return readFileSync(join(folder, file), "utf8");
    } catch {
      // The next name.
    }
  }
  throw new Error(`${folder} has no licence file under a known name`);
}

async function main(): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  const library = await build({
    ...common,
    entryPoints: {
      index: join(compiled, "sdk", "index.js"),
      selection: join(compiled, "sdk", "selection.js"),
      etcd: join(compiled, "sdk", "etcd.js"),
      server: join(compiled, "server", "index.js"),
      testing: join(compiled, "testing", "index.js"),
    },
    outdir: target,
    chunkNames: "chunks/[name]-[hash]",
  });
  const commandLine = await build({
    ...common,
    entryPoints: { main: join(compiled, "cli", "main.js") },
    outdir: join(target, "cli"),
    chunkNames: "chunks/[name]-[hash]",
    // What it carries is partly CommonJS and asks for Node's own modules with require.
    banner: { js: REQUIRE },
  });
  const foreign = [library, commandLine].flatMap((built) => foreignImports(built.metafile));
  if (foreign.length > 0)
    throw new Error(`the package would need ${foreign.join(", ")} at run time`);
  const carried = bundledPackages(commandLine.metafile);
  writeFileSync(join(target, "cli", "LICENSES.txt"), licences(carried));
  console.log("bundled into dist/package");
}

await main();
