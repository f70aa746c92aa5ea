/** Histories in which anything may stand: they are refused or checked, and nothing else happens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QuorateError } from "../../base/errors.ts";
import { type Prng, prng } from "../../base/prng.ts";
import { PLAIN_HEADER } from "../history/history.ts";
import { readLines, written } from "../history/lines.ts";
import { timeline } from "../timeline/timeline.ts";
import { validHistory } from "../workload/workload.ts";
import { check } from "./check.ts";

const NUMBERS = [0, 1, 2, 5, 12, 1e6, Number.MAX_SAFE_INTEGER, -3];
const TEXTS = ["", "k0", "k1", "v1", "\0", "zz"];
/** What the reader needs to know which event is of what. */
const KEPT = new Set(["at", "op", "type", "kind", "watch", "id", "lease"]);

function damaged(value: unknown, chance: Prng, name = ""): unknown {
  if (KEPT.has(name)) return value;
  if (typeof value === "object" && value !== null) {
    if (!Array.isArray(value))
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [key, damaged(each, chance, key)]),
      );
    const items = value.map((each) => damaged(each, chance));
    if (chance.chance(1, 6)) items.splice(chance.below(items.length + 1), 1);
    return chance.chance(1, 6) ? [...items, ...items.slice(0, 1)] : items;
  }
  if (!chance.chance(1, 6)) return value;
  if (typeof value === "number") return chance.pick([...NUMBERS, value + 1, value - 1]);
  return typeof value === "boolean" ? !value : chance.pick(TEXTS);
}

test("[HIST-LINES] whatever stands in a history, it is refused with INVALID or checked", () => {
  const came = { valid: 0, invalid: 0, unknown: 0, refused: 0 };
  for (let seed = 1; seed <= 2_500; seed++) {
    const chance = prng(seed);
    const lines = written(validHistory({ seed, calls: 4 }), PLAIN_HEADER)
      .trimEnd()
      .split("\n");
    for (let left = chance.below(20); left > 0; left--) {
      const at = 1 + chance.below(lines.length - 1);
      lines[at] = JSON.stringify(damaged(JSON.parse(lines[at] as string), chance));
    }
    try {
      const history = readLines(lines.join("\n"));
      const report = check(history, { stepsMax: 200_000 });
      came[report.result]++;
      assert.ok(timeline(history, report, "damaged").endsWith("</html>\n"));
    } catch (error) {
      assert.ok(QuorateError.is(error, "INVALID"), `seed ${seed}: ${String(error)}`);
      came.refused++;
    }
  }
  assert.ok(came.valid > 100 && came.invalid > 1_000 && came.refused > 20, JSON.stringify(came));
});
