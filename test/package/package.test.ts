/** What is published: its size, its imports, its types and its command, as a stranger's program meets them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, before, describe, test } from "node:test";

const root = join(import.meta.dirname, "..", "..", "..");
const PACKED_BYTES_MAX = 5 << 20;

/** A program that names what users name; its types must hold with the strictest settings. */
const CONSUMER = `import { connect, QuorateError } from "quorate";
import type { Guarantee } from "quorate";
import { etcd } from "quorate/etcd";
import { guard, lock } from "quorate/selection";
import { startServer } from "quorate/server";
import { simulate, virtual } from "quorate/testing";
import type { World } from "quorate/testing";

await using made = await virtual();
await made.clock.runUntil(made.q.lock("b").lease({ ttlMs: 1_000 }));
const worlds = await simulate({ faults: [], faultsMs: 1_000 }, (world: World) => {
  world.process("one", ({ q: own }) => own.lock("a").tryRun(() => world.note("ran")));
});
const server = await startServer({ listen: "127.0.0.1:0" });
const q = await connect(server.url, { service: "consumer" });
const given: Guarantee["consistency"] = q.commitment.keyspace.guarantee.consistency;
const held = await lock(q, "a").acquire();
const token: number = held.token;
await held.release();
await q.close();
await server.close();
const refused: unknown = await connect("nonsense:").catch((error: unknown) => error);
console.log(worlds.runs, given, token > 0, QuorateError.is(refused), typeof guard, etcd().label);
`;

const TSCONFIG = {
  compilerOptions: {
    ...{
      target: "ES2022",
      module: "NodeNext",
      lib: ["ES2023", "ESNext.Disposable"],
      types: ["node"],
    },
    ...{
      strict: true,
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
    },
  },
  files: ["program.ts"],
};

interface Packed {
  readonly size: number;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** Every file that loads with `entry`, and every module of Node that they import, without what loads on demand. */
function staticGraph(entry: string): {
  readonly files: ReadonlySet<string>;
  readonly modules: ReadonlySet<string>;
} {
  const files = new Set<string>();
  const modules = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    files.add(path);
    const source = readFileSync(path, "utf8");
    for (const [, target = ""] of source.matchAll(
      /^(?:import|export)\b(?:[^"';]*?\bfrom)?\s*"([^"]+)";$/gm,
    )) {
      if (target.startsWith(".")) visit(join(dirname(path), target));
      else modules.add(target);
    }
  };
  visit(entry);
  return { files, modules };
}

describe("the package", { timeout: 480_000 }, () => {
  let folder = "";
  let packed: Packed | undefined;

  before(() => {
    // Below the repository, so that the compiler finds Node's types where the repository has them.
    folder = mkdtempSync(join(root, "dist", "consumer-"));
    const told = execFileSync(
      "npm",
      ["pack", "--json", "--ignore-scripts", "--pack-destination", folder],
      {
        cwd: root,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    packed = (JSON.parse(told) as readonly Packed[])[0];
    const installed = join(folder, "node_modules", "quorate");
    mkdirSync(installed, { recursive: true });
    const archive = join(folder, packed?.filename ?? "");
    execFileSync("tar", ["-xzf", archive, "-C", installed, "--strip-components=1"]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  test("[PKG-1] packs into 5 MiB, with nothing but the bundles, the types and the documents", () => {
    assert.ok((packed?.size ?? Infinity) <= PACKED_BYTES_MAX, `${packed?.size ?? 0} bytes`);
    const allowed =
      /^(package\.json|README\.md|LICENSE|docs\/spec\/.*\.md|dist\/package\/.*|dist\/src\/.*\.d\.ts)$/;
    assert.deepEqual(
      packed?.files.map((file) => file.path).filter((path) => !allowed.test(path)),
      [],
    );
    assert.deepEqual(
      packed?.files.map((file) => file.path).filter((path) => /\.test\./.test(path)),
      [],
    );
  });

  test("[PKG-2] importing it loads few files, no server and no socket, and nothing from outside Node", () => {
    const entry = join(root, "dist", "package", "index.js");
    const { files, modules } = staticGraph(entry);
    const names = [...files].map((path) => relative(root, path));
    assert.ok(files.size <= 20, `${files.size} files: ${names.join(" ")}`);
    const sources = [...files].map((path) => readFileSync(path, "utf8"));
    assert.ok(!sources.some((each) => each.includes("SimulationError")), "the simulator is loaded");
    const heavy =
      /^node:(http|https|http2|net|tls|dgram|worker_threads|child_process|cluster|inspector)$/;
    assert.deepEqual(
      [...modules].filter((name) => !isBuiltin(name) || heavy.test(name)),
      [],
    );
  });

  test("[PKG-3] it declares no runtime dependency, and installed alone it has what it needs", () => {
    const declared = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly dependencies?: unknown;
    };
    assert.equal(declared.dependencies, undefined);
    // Copied out of the repository's reach: no module of it can be found from there.
    const alone = mkdtempSync(join(tmpdir(), "quorate-alone-"));
    try {
      cpSync(join(folder, "node_modules"), join(alone, "node_modules"), { recursive: true });
      const command = join(alone, "node_modules", "quorate", "dist", "package", "cli", "main.js");
      const version = execFileSync(process.execPath, [command, "version", "--output", "json"], {
        encoding: "utf8",
      });
      const { version: expected } = JSON.parse(
        readFileSync(join(root, "package.json"), "utf8"),
      ) as {
        readonly version: string;
      };
      assert.equal((JSON.parse(version) as { readonly quorate: string }).quorate, expected);
      const help = execFileSync(process.execPath, [command, "help", "TIMEOUT"], {
        encoding: "utf8",
      });
      assert.match(help, /TIMEOUT/);
      const missing = `
        const { connect } = await import("quorate");
        const { code, outcome, failure } = await connect("etcd://127.0.0.1:1").catch((e) => e);
        console.log(code, outcome, failure.remedy);
      `;
      const said = execFileSync(process.execPath, ["--input-type=module", "-e", missing], {
        cwd: alone,
        encoding: "utf8",
      });
      assert.equal(said, "ENGINE_MISSING definite Run npm install @grpc/grpc-js.\n");
    } finally {
      rmSync(alone, { recursive: true, force: true });
    }
  });

  test("[PKG-4] a strict program compiles against its types with skipLibCheck off, and runs", () => {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(folder, "program.ts"), CONSUMER);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    execFileSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
    const printed = execFileSync(process.execPath, [join(folder, "program.js")], {
      encoding: "utf8",
    });
    assert.equal(printed, "1 linearizable true true function etcd://127.0.0.1:2379\n");
  });

  test("[PKG-5] what is not exported cannot be imported", async () => {
    for (const path of [
      "quorate/dist/package/index.js",
      "quorate/dist/src/base/errors.js",
      "quorate/package.json",
    ]) {
      await assert.rejects(import(path), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" }, path);
    }
  });
});
