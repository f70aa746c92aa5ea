/**
 * Traces: files of commands with what they made happen (`testdata/*.trace`; the language is described in
 * `verify/raft/trace.ts`). `node dist/tools/run-tests.js --match raft/trace --rewrite` writes them anew.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runTrace } from "../../../verify/raft/trace.ts";

const root = join(import.meta.dirname, "..", "..", "..", "..", "..");
const folder = join(root, "src", "protocols", "agreement", "raft", "testdata");

for (const name of readdirSync(folder).filter((each) => each.endsWith(".trace"))) {
  test(`[RAFT-TRACE-1] ${name} is what happens`, () => {
    const path = join(folder, name);
    const expected = readFileSync(path, "utf8");
    const actual = runTrace(expected);
    if (process.env["QUORATE_REWRITE"] === "1") writeFileSync(path, actual);
    else assert.equal(actual, expected);
  });
}
