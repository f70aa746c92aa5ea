/** The examples of docs/testing.md are the ones that run. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FAULT_KINDS } from "../../src/verify/simulator/plan.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const page = readFileSync(join(root, "docs", "testing.md"), "utf8");

for (const name of ["take-over", "report-job"]) {
  test(`[SIM-DOC-3] docs/testing.md has ${name} as it is executed`, () => {
    const source = readFileSync(join(root, "test", "simulator", "examples", `${name}.ts`), "utf8");
    const program = source.replace(/^\/\*\*.*\*\/\n/, "");
    assert.ok(page.includes(`\`\`\`ts\n${program}\`\`\``), name);
  });
}

test("[SIM-DOC-4] every kind of fault can be named, and none twice", () => {
  assert.equal(new Set(FAULT_KINDS).size, FAULT_KINDS.length);
});
