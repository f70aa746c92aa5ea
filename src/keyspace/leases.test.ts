/** Leases and callers: who has which keys, whose time is over, which replies are kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import type { Bytes } from "../base/bytes.ts";
import { prng } from "../base/prng.ts";
import { Base } from "./base.ts";
import { Callers } from "./callers.ts";
import type { Change, MetaChange } from "./effects.ts";
import { Leases } from "./leases.ts";
import { finish } from "./range.ts";

function commit(
  base: Base,
  changes: readonly Change[],
  meta: readonly MetaChange[] = [],
  nowMs = 0,
): void {
  const revision = changes.length === 0 ? 0 : base.revision + 1;
  const entry = { index: base.appliedIndex + 1, term: 1, time: base.time + 1 };
  base.apply({ ...entry, transactions: [{ revision, changes, meta }] }, nowMs);
}
const put = (key: string, lease: bigint): Change => ({
  kind: "put",
  key: key as Bytes,
  value: "" as Bytes,
  lease,
});
const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const keysOf = (base: Base, id: bigint): readonly Bytes[] =>
  finish(base.leaseTimeToLive(id, true, 0)).keys;

test("[LEASE-1] a key belongs to the lease of its newest version and to no other", () => {
  const base = new Base();
  const grants: MetaChange[] = [1n, 2n].map((id) => ({ kind: "leaseGranted", id, ttlMs: 5_000 }));
  commit(base, [], grants);
  commit(base, [put("b", 1n), put("a", 1n)]);
  assert.deepEqual(keysOf(base, 1n), ["a", "b"]);
  commit(base, [put("a", 2n)]);
  assert.deepEqual([keysOf(base, 1n), keysOf(base, 2n)], [["b"], ["a"]]);
  commit(base, [put("a", 0n)]);
  assert.deepEqual(keysOf(base, 2n), []);
  commit(base, [{ kind: "delete", key: "b" as Bytes }], [{ kind: "leaseRevoked", id: 1n }]);
  assert.deepEqual(finish(base.leaseTimeToLive(1n, true, 0)), {
    revision: 5,
    ttlMs: -1,
    grantedTtlMs: 0,
    keys: [],
  });
});

test("[LEASE-2] the leases named as expired are those whose time is over, each once, through renewals, revokes and grants of the same id", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const leases = new Leases();
      const model = new Map<bigint, { ttlMs: number; endsAt: number }>();
      for (let now = 0; now < 400; now += random.below(4)) {
        const id = BigInt(random.below(10));
        const known = model.get(id);
        switch (random.below(4)) {
          case 0:
            if (known !== undefined) break;
            model.set(id, { ttlMs: 1 + random.below(40), endsAt: 0 });
            leases.grant(id, model.get(id)?.ttlMs ?? 0, now);
            (model.get(id) as { endsAt: number }).endsAt = now + (model.get(id)?.ttlMs ?? 0);
            break;
          case 1: {
            const lives = known !== undefined && known.endsAt > now;
            assert.equal(leases.renew(id, now), lives);
            if (lives) known.endsAt = now + known.ttlMs;
            break;
          }
          case 2:
            if (random.chance(1, 3)) {
              leases.revoke(id);
              model.delete(id);
            }
            break;
          default:
            if (!random.chance(1, 20)) break;
            leases.extendAll(now);
            for (const lease of model.values()) lease.endsAt = now + lease.ttlMs;
        }
        const over = [...model].flatMap(([at, lease]) => (lease.endsAt <= now ? [at] : []));
        assert.deepEqual([...leases.expired(now, 100)].sort(ascending), over.sort(ascending));
        assert.equal(new Set(leases.expired(now, 3)).size, Math.min(3, over.length));
        const remaining =
          known !== undefined && model.has(id)
            ? Math.max(0, known.endsAt - now)
            : leases.remainingMs(id, now);
        assert.equal(leases.remainingMs(id, now), remaining);
      }
    }),
    { numRuns: 100 },
  );
});

test("[LEASE-3] a fenced lease and one whose time is over cannot be renewed", () => {
  const leases = new Leases();
  leases.grant(1n, 10, 0);
  leases.grant(2n, 10, 0);
  leases.fence(1n);
  assert.equal(leases.renew(1n, 5), false);
  assert.equal(leases.renew(2n, 10), false);
  assert.deepEqual(leases.expired(5, 9), [1n], "the end of a fenced lease has begun");
  assert.deepEqual([...leases.expired(10, 9)].sort(ascending), [1n, 2n]);
  leases.extendAll(10);
  assert.deepEqual(leases.expired(10, 9), [1n], "and a change of leader does not stop it");
});

test("[LEASE-4] a time to live has whole milliseconds, as the log keeps it", () => {
  const leases = new Leases();
  leases.grant(1n, 1_500.9, 0);
  assert.equal(leases.get(1n)?.ttlMs, 1_500);
});

test("[CALLER-1] replies are kept until acknowledged; a caller comes only by being opened; idleness is by keyspace time", () => {
  const callers = new Callers();
  const kept = (revision: number): Parameters<Callers["record"]>[3] => ({
    request: "put",
    reply: { ok: true, response: { revision } },
  });
  callers.record(7n, 1, 1, kept(2), 10);
  assert.equal(callers.get(7n), undefined);
  callers.open(7n, 10);
  for (let sequence = 1; sequence <= 5; sequence++)
    callers.record(7n, sequence, 1, kept(sequence), 20);
  callers.record(7n, 6, 4, kept(6), 30);
  assert.deepEqual(
    [...(callers.get(7n)?.replies.entries() ?? [])].map(([sequence]) => sequence),
    [4, 5, 6],
  );
  callers.record(7n, 7, 2, kept(7), 40);
  assert.equal(callers.get(7n)?.firstUnacked, 4);
  assert.deepEqual([callers.idle(40), callers.idle(41)], [[], [7n]]);
  callers.close(7n);
  assert.equal(callers.count, 0);
});

test("leases that were granted for a day and revoked at once leave nothing in memory (400,000)", () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const leases = new Leases();
  const round = (from: number): number => {
    for (let at = from; at < from + 200_000; at++) {
      leases.grant(BigInt(at), 86_400_000, at);
      leases.revoke(BigInt(at));
      if (at % 100 === 0) leases.expired(at, 512);
    }
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = round(1);
  const after = round(1_000_000);
  assert.equal(leases.count, 0);
  assert.ok(
    after - before < 4 << 20,
    `${(after - before) >> 20} MiB more for 200,000 leases that are gone`,
  );
});
