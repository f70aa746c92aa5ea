/** The README's program runs as printed and prints what the README says. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..", "..");

test("[DOC-1] the README's ten-line program prints what stands below it (memory:)", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const output = /```text\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  assert.match(program, /from "quorate"/);
  // Inside the package, so that the package's own exports resolve its name.
  const folder = mkdtempSync(join(root, "dist", "readme-"));
  try {
    const file = join(folder, "program.mjs");
    writeFileSync(file, program);
    assert.equal(execFileSync(process.execPath, [file], { encoding: "utf8" }), output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("[DOC-2] the README is at most 150 lines", () => {
  assert.ok(readFileSync(join(root, "README.md"), "utf8").split("\n").length <= 150);
});

test("[DOC-3] what the package does not export cannot be imported", async () => {
  await assert.rejects(import("quorate/dist/src/base/errors.js" as string), {
    code: "ERR_PACKAGE_PATH_NOT_EXPORTED",
  });
});
