/**
 * An engine may carry out what it was asked for after whoever asked has given up: etcd, for as long as it keeps a request.
 * What joins a queue so late, for nobody, is taken out of it, though the engine has been told before it was there.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fail } from "../../src/base/errors.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import type { OnCommitment } from "../../src/contract/plane.ts";
import { barrier, lock, locks } from "../../src/sdk/selection.ts";
import { Simulated } from "./simulated.ts";

/** When the engine does what it was asked for: the latest that etcd does by default. */
const LATE_MS = 7_000;

/** `keyspace`, of which the first procedure has no answer, and is carried out after `LATE_MS`. */
function tardy(keyspace: Keyspace, machine: Simulated): Keyspace {
  let isFirst = true;
  const run: Keyspace["run"] = (procedure, args, given) => {
    if (!isFirst) return keyspace.run(procedure, args, given);
    isFirst = false;
    machine.clock.after(LATE_MS, () => void keyspace.run(procedure, args, given));
    const what = "had no answer";
    return Promise.reject(
      fail("TIMEOUT", { object: "run", what, remedy: "", outcome: "indefinite" }),
    );
  };
  return { ...keyspace, run };
}

/** Who is there, of each thing that can be joined, and how to join it. */
const JOINED = {
  lock: {
    join: (on: OnCommitment) => lock(on, "x").acquire(),
    present: async (on: OnCommitment) => (await lock(on, "x").explain()).holders.length,
  },
  locks: {
    join: (on: OnCommitment) => locks(on, ["x", "y"]).acquire(),
    present: async (on: OnCommitment) => (await lock(on, "y").explain()).holders.length,
  },
  barrier: {
    join: (on: OnCommitment) => barrier(on, "x", { parties: 2 }).arrive(),
    present: async (on: OnCommitment) =>
      (await barrier(on, "x", { parties: 2 }).explain()).arrived.length,
  },
} as const;

for (const [noun, { join, present }] of Object.entries(JOINED))
  test(`[SEL-34] who joined a ${noun} after its request was given up is taken out, though the session goes on (an engine that is 7 s late)`, async () => {
    const machine = new Simulated();
    const { keyspace } = await machine.start();
    const ann = machine.client(keyspace, "ann");
    const bob = machine.client(tardy(keyspace, machine), "bob", 600_000);
    await machine.until(assert.rejects(join(bob), { code: "TIMEOUT", outcome: "indefinite" }));
    await machine.pass(LATE_MS + 500);
    assert.equal(await machine.until(present(ann)), 1, "it joined late");
    await machine.pass(30_000);
    assert.equal(await machine.until(present(ann)), 0);
  });
