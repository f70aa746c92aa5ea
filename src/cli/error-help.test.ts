/** The table of error codes: whole, written down, and mapped to exit codes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ERROR_CODES, type ErrorCode, failure } from "../base/errors.ts";
import { ERROR_HELP, errorHelp, errorReference } from "./error-help.ts";
import { exitCodeOf } from "./exit-codes.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

test("[CLI-5] every code has a cause, an effect and a remedy (no server)", () => {
  assert.deepEqual(Object.keys(ERROR_HELP).sort(), [...CODES].sort());
  for (const code of CODES) {
    const { cause, effect, remedy } = ERROR_HELP[code];
    for (const sentence of [cause, effect, remedy]) assert.match(sentence, /^[A-Z].*\.$/, code);
    assert.match(
      errorHelp(code),
      new RegExp(`^${code} \\(usually ${ERROR_CODES[code].outcome}\\)`),
    );
  }
});

test("[CLI-5] docs/spec/errors.md is the table (no server)", () => {
  const written = readFileSync(new URL("../../../docs/spec/errors.md", import.meta.url), "utf8");
  assert.equal(written, errorReference());
});

test("[CLI-6] the exit code tells usage, loss, definite and indefinite apart (no server)", () => {
  const about = { object: "x", what: "y", remedy: "z" };
  const expected = (code: ErrorCode): number => {
    if (code === "CONFIG" || code === "INVALID") return 2;
    if (code === "LOST" || code === "EXPIRED") return 5;
    return ERROR_CODES[code].outcome === "definite" ? 3 : 4;
  };
  for (const code of CODES) assert.equal(exitCodeOf(failure(code, about)), expected(code), code);
  assert.equal(exitCodeOf(failure("TIMEOUT", { ...about, outcome: "definite" })), 3);
});
