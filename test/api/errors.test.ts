/**
 * Every code of the catalogue is provoked: by a program, a command or a server that does what brings it about, never by
 * making the failure. Each row says code, outcome, object, remedy, who is in the way, and the exit code.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ErrorCode } from "../../src/base/errors.ts";
import { ERROR_CODES } from "../../src/base/errors.ts";
import { calls } from "./provoked/calls.ts";
import { heldErrors } from "./provoked/held.ts";
import { keyspaceErrors } from "./provoked/keyspace.ts";
import { leadershipErrors } from "./provoked/leadership.ts";
import { placeErrors } from "./provoked/places.ts";
import type { Row } from "./provoked/stage.ts";
import { Stage } from "./provoked/stage.ts";
import { userErrors } from "./provoked/users.ts";

/** A code of the catalogue without a row does not compile. */
const rows: Readonly<Record<ErrorCode, readonly Row[]>> = {
  ...calls,
  ...keyspaceErrors,
  ...heldErrors,
  ...leadershipErrors,
  ...placeErrors,
  ...userErrors,
  LAYOUT: [...heldErrors.LAYOUT, ...placeErrors.LAYOUT],
};

describe("errors", { timeout: 480_000 }, () => {
  test("[API-3] every code of the catalogue has a row", () => {
    assert.deepEqual(Object.keys(rows).toSorted(), Object.keys(ERROR_CODES).toSorted());
    for (const [code, each] of Object.entries(rows)) assert.ok(each.length > 0, code);
  });

  for (const [code, each] of Object.entries(rows)) {
    for (const row of each) {
      test(`[API-3] ${code}: ${row.how}`, async () => {
        const stage = new Stage();
        try {
          const { failure, exit } = await row.provoke(stage);
          assert.equal(failure.code, code, failure.what);
          assert.equal(failure.outcome, row.outcome);
          assert.match(failure.object, row.object);
          assert.match(failure.what, row.what ?? /\S/);
          assert.match(failure.remedy, row.remedy);
          assert.match(failure.remedy, /^[A-Z].*[.?]$/, "a remedy is a sentence");
          assert.match(failure.holder ?? "", row.holder ?? /^$/);
          assert.equal(exit, row.exit, "the exit code");
        } finally {
          await stage.close();
        }
      });
    }
  }
});
