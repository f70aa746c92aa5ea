/** The one error class. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asFailure, ERROR_CODES, fail, failure, QuorateError } from "./errors.ts";

const init = { object: "lock orders/42", what: "renewal stopped", remedy: "Acquire it again." };

test("[ERR-1] a message begins with code, outcome and object and ends with the remedy and where to read on", () => {
  const error = fail("LOST", { ...init, holder: "billing@pod-2, token 1093" });
  assert.equal(
    error.message,
    "LOST (definite) lock orders/42: renewal stopped. Held by billing@pod-2, token 1093. " +
      "Acquire it again. quorate help LOST",
  );
});

test("[ERR-2] an error of unknown origin is indefinite", () => {
  assert.equal(asFailure(new Error("socket hang up"), "put a").outcome, "indefinite");
  assert.equal(asFailure("text", "put a").outcome, "indefinite");
});

test("[ERR-3] a failure survives JSON and comes back as the same error", () => {
  const first = fail("COMPACTED", { ...init, details: { compactRevision: 7 } });
  const second = new QuorateError(JSON.parse(JSON.stringify(first.failure)));
  assert.deepEqual({ ...second.failure }, { ...first.failure });
  assert.equal(second.message, first.message);
  assert.equal(second.details["compactRevision"], 7);
});

test("[ERR-4] is() narrows by brand, so an error of another copy of the package is recognised", () => {
  const foreign = Object.defineProperty(new Error("x"), Symbol.for("quorate.error"), {
    value: true,
  });
  assert.ok(QuorateError.is(Object.assign(foreign, { code: "LOST" }), "LOST"));
  assert.ok(!QuorateError.is(new Error("LOST")));
  assert.ok(!QuorateError.is(fail("LOST", init), "EXPIRED"));
  assert.ok(!QuorateError.is(null));
});

test("[ERR-5] an abort carries the name that the platform's own aborts carry", () => {
  assert.equal(fail("ABORTED", init).name, "AbortError");
});

test("[ERR-6] outcome and retry default to those of the code and a site may know better", () => {
  assert.equal(failure("TIMEOUT", init).outcome, ERROR_CODES.TIMEOUT.outcome);
  assert.equal(failure("TIMEOUT", { ...init, outcome: "definite" }).outcome, "definite");
});
