/**
 * An engine may carry out what it was asked for after whoever asked has given up: etcd, for as long as it keeps a request.
 * What joins a queue so late, for nobody, is taken out of it, though the engine has been told before it was there.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode, QuorateError } from "../../src/base/errors.ts";
import { fail } from "../../src/base/errors.ts";
import { prng } from "../../src/base/prng.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import type { OnCommitment } from "../../src/contract/plane.ts";
import type { Request } from "../../src/contract/requests.ts";
import { optimistic } from "../../src/engines/optimistic/pump.ts";
import { barrier, lock, locks } from "../../src/sdk/selection.ts";
import type { HeldAlone } from "../../src/sdk/selection.ts";
import { Simulated } from "./simulated.ts";

/** When the engine does what it was asked for: the latest that etcd does by default. */
const LATE_MS = 7_000;

function unanswered(code: ErrorCode = "TIMEOUT"): QuorateError {
  const what = "had no answer";
  return fail(code, { object: "run", what, remedy: "", outcome: "indefinite" });
}

/** `keyspace`, of which the first procedure has no answer, and is carried out after `LATE_MS`. */
function tardy(keyspace: Keyspace, machine: Simulated): Keyspace {
  let isFirst = true;
  const run: Keyspace["run"] = (procedure, args, given) => {
    if (!isFirst) return keyspace.run(procedure, args, given);
    isFirst = false;
    machine.clock.after(LATE_MS, () => void keyspace.run(procedure, args, given));
    return Promise.reject(unanswered());
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

test("[SEL-34] a lease that began after its request was given up is ended, though nobody knows its id (an engine that is 7 s late)", async () => {
  const machine = new Simulated();
  const { keyspace } = await machine.start();
  const ann = machine.client(keyspace, "ann");
  const bob = machine.client(tardy(keyspace, machine), "bob");
  const leasing = lock(bob, "x").lease({ ttlMs: 86_400_000 });
  await machine.until(assert.rejects(leasing, { code: "TIMEOUT", outcome: "indefinite" }));
  await machine.pass(LATE_MS + 500);
  const holders = async (): Promise<number> =>
    (await machine.until(lock(ann, "x").explain())).holders.length;
  assert.equal(await holders(), 1, "it began late");
  await machine.pass(30_000);
  assert.equal(await holders(), 0);
});

test("[SEL-34] a lease whose answer was lost is ended as soon as the engine is back (an engine that is away for 3 requests)", async () => {
  const machine = new Simulated();
  const { keyspace } = await machine.start();
  let asked = 0;
  const run: Keyspace["run"] = async (procedure, args, given) => {
    asked++;
    if (asked === 1 || asked > 4) {
      const ran = await keyspace.run(procedure, args, given);
      if (asked > 4) return ran;
    }
    throw unanswered("UNAVAILABLE");
  };
  const ann = machine.client(keyspace, "ann");
  const bob = machine.client({ ...keyspace, run }, "bob");
  const leasing = lock(bob, "x").lease({ ttlMs: 86_400_000 });
  await machine.until(assert.rejects(leasing, { code: "UNAVAILABLE", outcome: "indefinite" }));
  await machine.pass(5_000);
  const { holders } = await machine.until(lock(ann, "x").explain());
  assert.equal(holders.length, 0);
});

/** `keyspace`, of which the first hand-over has no answer, and is carried out after `LATE_MS`. */
const LATE_HAND_OVER = {
  "knows hand-overs": (keyspace: Keyspace, machine: Simulated): Keyspace => {
    let isFirst = true;
    const run: Keyspace["run"] = (procedure, args, given) => {
      if (!isFirst || !procedure.name.includes("/hand-over@"))
        return keyspace.run(procedure, args, given);
      isFirst = false;
      machine.clock.after(LATE_MS, () => void keyspace.run(procedure, args, given));
      return Promise.reject(unanswered());
    };
    return { ...keyspace, run };
  },
  "knows transactions only": (keyspace: Keyspace, machine: Simulated): Keyspace => {
    const { clock } = machine;
    let isFirst = true;
    const call = ((request: Request, options) => {
      const hands =
        request.kind === "txn" &&
        request.success.some((each) => each.kind === "put" && each.key.endsWith("policy/grant"));
      if (!isFirst || !hands) return keyspace.call(request, options);
      isFirst = false;
      clock.after(LATE_MS, () => void keyspace.call(request));
      return Promise.reject(unanswered());
    }) as Keyspace["call"];
    const engine: Keyspace = { ...keyspace, call };
    const run = optimistic(engine, { clock, entropy: prng(3), now: () => clock.wallMs() });
    return { ...engine, run };
  },
} as const;

/** How many of them certainly own. */
function owning(holds: readonly (HeldAlone | undefined)[]): number {
  return holds.filter((each) => each !== undefined && each.remainingMs() > 0).length;
}

for (const [what, late] of Object.entries(LATE_HAND_OVER))
  test(`[GNT-7] a hand-over that was given up and comes late leaves one owner (an engine that ${what} and is 7 s late)`, async () => {
    const machine = new Simulated();
    const { keyspace } = await machine.start();
    const ann = machine.client(late(keyspace, machine), "ann", 600_000);
    const bob = machine.client(keyspace, "bob", 600_000);
    const held = await machine.until(lock(ann, "x").acquire());
    let other: HeldAlone | undefined;
    const waiting = lock(bob, "x")
      .acquire()
      .then((each) => (other = each));
    await machine.pass(100);
    await machine.until(
      assert.rejects(held.handover(), { code: "TIMEOUT", outcome: "indefinite" }),
    );
    await machine.pass(LATE_MS / 2);
    assert.equal(owning([held, other]), 1, "it has found out");
    await machine.pass(60_000);
    assert.equal(owning([held, other]), 1);
    if (other === undefined) await machine.until(held.release());
    assert.ok((await machine.until(waiting)).remainingMs() > 0, "the next one follows");
  });

test("[GNT-7] while one hand-over may still come, the answer to another does not make it certain (an engine that is 7 s late)", async () => {
  const machine = new Simulated();
  const { keyspace } = await machine.start();
  const slow = LATE_HAND_OVER["knows hand-overs"](keyspace, machine);
  const end = machine.clock.monotonicMs() + 2 * LATE_MS;
  const run: Keyspace["run"] = (procedure, args, given) =>
    procedure.name.includes("/stay@") && machine.clock.monotonicMs() < end
      ? Promise.reject(unanswered("UNAVAILABLE"))
      : slow.run(procedure, args, given);
  const ann = machine.client({ ...slow, run }, "ann", 600_000);
  const bob = machine.client(keyspace, "bob", 600_000);
  const held = await machine.until(lock(ann, "x").acquire());
  const waiting = lock(bob, "x").acquire();
  await machine.pass(100);
  await machine.until(assert.rejects(held.handover(), { code: "TIMEOUT" }));
  const nobody = await machine.until(held.handover({ to: "nobody" }));
  assert.deepEqual([nobody.ok, held.remainingMs()], [false, 0]);
  const other = await machine.until(waiting);
  assert.equal(owning([held, other]), 1);
  await machine.pass(60_000);
  assert.ok(held.signal.aborted, "it has found out");
});
