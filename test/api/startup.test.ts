/**
 * The first minute: the first program ends without being told to, and pays for nothing that it does not use. How long
 * import, connection and first lock take is measured by `npm run bench -- startup`.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { startServer } from "../../src/server/index.ts";

const run = promisify(execFile);
const here = import.meta.dirname;
/** Where the compiled sources are. */
const SOURCES: string = new URL("../../src/", import.meta.url).href;

/** What a process that runs `script` loads: Node's own modules, and files of ours by their path in `src`. */
async function loaded(script: string): Promise<readonly string[]> {
  const coverage = mkdtempSync(join(tmpdir(), "quorate-loaded-"));
  const told = `${script}; process.on("exit", () => console.log(JSON.stringify(process.moduleLoadList)))`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", told], {
    env: { ...process.env, NODE_V8_COVERAGE: coverage },
  });
  const own = readdirSync(coverage).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(coverage, name), "utf8")) as {
      readonly result: readonly { readonly url: string }[];
    };
    return result.map(({ url }) => url).filter((url) => url.startsWith(SOURCES));
  });
  rmSync(coverage, { recursive: true });
  return [...(JSON.parse(stdout) as string[]), ...own.map((url) => url.slice(SOURCES.length))];
}

describe("startup", { timeout: 240_000 }, () => {
  test("[API-1] the first program ends by itself, over memory: and file: (a process each)", async () => {
    const directory = mkdtempSync(join(tmpdir(), "quorate-first-"));
    for (const url of ["memory:", `file:${directory}`]) {
      const { stdout } = await run(process.execPath, [join(here, "first-program.js"), url], {
        timeout: 120_000,
      });
      assert.match(stdout, /^built with token \d+\n$/);
    }
    rmSync(directory, { recursive: true });
  });

  test("[API-1] a loop over changes keeps the process alive while it waits, no longer, over memory: and quorate: (a process each)", async () => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    const loops = ["lock.watch", "election.observe", "latch.watch", "barrier.watch"];
    try {
      for (const url of ["memory:", server.url]) {
        for (const loop of loops) {
          const program = [join(here, "waiting-program.js"), url, loop];
          const { stdout } = await run(process.execPath, program, { timeout: 120_000 });
          assert.match(stdout, /^saw \d\n$/, `${loop} over ${url}`);
        }
      }
    } finally {
      await server.close();
    }
  });

  test("[API-2] neither the import nor memory: loads what only a server or a client of one needs (a process each)", async () => {
    const index = `${SOURCES}sdk/index.js`;
    const notYet =
      /^NativeModule (http2|https?|tls|net|dns|zlib|child_process|worker_threads)$|^(server|verify|testing|cli|wire|service\/etcd|engines\/(remote|etcd|optimistic))\//;
    for (const script of [
      `await import("${index}")`,
      `const { connect } = await import("${index}"); await connect("memory:")`,
    ]) {
      const all = await loaded(script);
      assert.ok(all.includes("NativeModule crypto") && all.includes("sdk/index.js"), "it is told");
      assert.deepEqual(
        all.filter((name) => notYet.test(name)),
        [],
        script,
      );
    }
  });
});
