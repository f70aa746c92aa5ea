/** The search for an order against the definition: every order, tried one after another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng, type Prng } from "../../base/prng.ts";
import type { RegisterCall } from "../history/calls.ts";
import type { Operation } from "../history/history.ts";
import { Linearization } from "./linearize.ts";
import { REGISTER } from "./register.ts";

/** Whether some order of the operations is right: by trying them all. */
function hasOrder(state: string, left: readonly Operation[]): boolean {
  if (left.every(({ returned }) => returned === Infinity)) return true;
  return left.some((each) => {
    if (left.some((other) => other.returned < each.invoked)) return false;
    const next = REGISTER.step(state, each);
    return (
      next !== undefined &&
      hasOrder(
        next,
        left.filter((other) => other !== each),
      )
    );
  });
}

function randomOperations(chance: Prng): readonly Operation[] {
  const count = 2 + chance.below(6);
  const places = Array.from({ length: 2 * count }, (_, at) => at);
  const operations = Array.from({ length: count }, (_, id): Operation => {
    const [a, b] = [0, 0].map(() => places.splice(chance.below(places.length), 1)[0] as number) as [
      number,
      number,
    ];
    const value = chance.pick(["1", "2"]);
    const call = chance.pick<RegisterCall>([
      { kind: "read" },
      { kind: "write", value },
      { kind: "cas", from: chance.pick(["1", "2", null]), to: value },
    ]);
    const unanswered = chance.chance(1, 4) && call.kind !== "read";
    const answer =
      call.kind === "read"
        ? { value: chance.pick(["1", "2", null]) }
        : call.kind === "cas"
          ? { done: chance.chance(1, 2) }
          : {};
    const returned = unanswered ? Infinity : Math.max(a, b);
    return {
      id,
      index: id,
      process: `p${id}`,
      call,
      invoked: Math.min(a, b),
      invokedAt: 0,
      returned,
      returnedAt: returned,
      failed: undefined,
      outcome: unanswered ? { kind: "indefinite" } : { kind: "answer", answer },
    };
  });
  return operations.sort((a, b) => a.invoked - b.invoked);
}

test("[HIST-LINEAR] the search finds an order if and only if there is one", () => {
  const found = { valid: 0, invalid: 0 };
  for (let seed = 1; seed <= 6_000; seed++) {
    const operations = randomOperations(prng(seed));
    const search = new Linearization(REGISTER, operations);
    while (search.result === undefined) search.run(7);
    assert.equal(search.result === "valid", hasOrder(REGISTER.initial, operations), `seed ${seed}`);
    found[search.result]++;
  }
  assert.ok(found.valid > 1_000 && found.invalid > 1_000, JSON.stringify(found));
});

test("[HIST-LINEAR] the prefix that it blames is the shortest that has no order", () => {
  let blamed = 0;
  for (let seed = 1; seed <= 2_000; seed++) {
    const operations = randomOperations(prng(seed));
    const search = new Linearization(REGISTER, operations);
    while (search.result === undefined) search.run(1_000);
    if (search.result === "valid") continue;
    blamed++;
    const { returned } = search.stuck.blocked;
    const upTo = (place: number): readonly Operation[] =>
      operations
        .filter(({ invoked }) => invoked < place)
        // What is under way may be left out, but comes to what it came to.
        .map((each) => (each.returned < place ? each : { ...each, returned: Infinity }));
    assert.ok(hasOrder(REGISTER.initial, upTo(returned)), `seed ${seed}: before`);
    assert.ok(!hasOrder(REGISTER.initial, upTo(returned + 1)), `seed ${seed}: with it`);
  }
  assert.ok(blamed > 300);
});
