/** What the compiler tells a user who is wrong: the first line of each message is part of the API. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..", "..");

const WRONG: readonly (readonly [name: string, program: string, message: RegExp])[] = [
  [
    "no-permits",
    `q.semaphore("pool", {});`,
    /Property 'permits' is missing in type '\{\}' but required in type 'SemaphoreOptions'/,
  ],
  [
    "no-signal",
    `q.election("poller").lead(() => {}, {});`,
    /Property 'signal' is missing in type '\{\}' but required in type 'LeadOptions'/,
  ],
  [
    "not-told-apart",
    `const held = await q.lock("a").tryAcquire(); held.token;`,
    /Property 'token' does not exist on type 'HeldAlone \\| NotHeld'/,
  ],
  [
    "number-as-token",
    `import type { FencingToken } from "quorate/selection"; const t: FencingToken = 5; void t;`,
    /Type 'number' is not assignable to type 'FencingToken'/,
  ],
  [
    "wait-of-acquire",
    `q.lock("a").acquire({ waitMs: 5 });`,
    /'waitMs' does not exist in type 'WaitOptions & LockClaim'/,
  ],
  [
    "unknown-code",
    `import { QuorateError } from "quorate"; QuorateError.is(0, "GONE");`,
    /Argument of type '"GONE"' is not assignable to parameter of type 'ErrorCode \\| undefined'/,
  ],
  [
    "handle-is-not-held",
    `await using held = q.lock("a"); void held;`,
    /The initializer of an 'await using' declaration must be/,
  ],
];

const TSCONFIG = {
  compilerOptions: {
    target: "ES2022",
    module: "NodeNext",
    lib: ["ES2023", "ESNext.Disposable"],
    types: ["node"],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
  },
  include: ["*.ts"],
};

test("[API-10] a wrong program is told why in one line (the compiler)", () => {
  const folder = mkdtempSync(join(root, "dist", "wrong-"));
  try {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(root, join(folder, "node_modules", "quorate"));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
    for (const [name, program] of WRONG) {
      const lines = [
        `import type { Quorate } from "quorate";`,
        `declare const q: Quorate;`,
        program,
        `export {};`,
      ];
      writeFileSync(join(folder, `${name}.ts`), lines.join("\n"));
    }
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    const args = [compiler, "-p", folder, "--pretty", "false"];
    const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: folder });
    const errors = stdout.split("\n").filter((line) => /^\S+\.ts\(/.test(line));
    for (const [name, , message] of WRONG) {
      const found = errors.filter((line) => line.startsWith(`${name}.ts(`));
      assert.equal(found.length, 1, `${name}: ${found.join("\n")}${stdout}`);
      assert.match(found[0] ?? "", message);
    }
    assert.equal(errors.length, WRONG.length, stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
