/** The guard: what a resource accepts never goes back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuorateError } from "../../../base/errors.ts";
import { accepts, guard } from "./guard.ts";

test("[GRD-1] [GRD-2] [GRD-3] higher wins, equal only for the same holder, lower never (table)", () => {
  const last = { token: 5, holder: "a" };
  assert.equal(accepts(undefined, 1, "a"), true);
  assert.equal(accepts(last, 6, "b"), true);
  assert.equal(accepts(last, 5, "a"), true);
  assert.equal(accepts(last, 5, "b"), false);
  assert.equal(accepts(last, 4, "a"), false);
});

test("[GRD-3] accepted tokens never fall, whatever is tried (any sequence)", () => {
  const tries = fc.array(
    fc.record({ token: fc.integer({ min: 1, max: 9 }), holder: fc.constantFrom("a", "b") }),
  );
  fc.assert(
    fc.property(tries, (all) => {
      const resource = guard("file report");
      let highest = 0;
      for (const { token, holder } of all) {
        try {
          resource.admit(token, holder);
          assert.ok(token >= highest);
          highest = token;
        } catch (error) {
          if (!QuorateError.is(error, "STALE_TOKEN")) throw error;
          assert.ok(token <= highest);
          assert.equal(error.outcome, "definite");
          assert.ok(error.holder === "a" || error.holder === "b");
        }
      }
    }),
  );
});
