/**
 * The keyspace against its slow twin: random commands at the head, entries sealed, applied and rolled back at random;
 * every answer, every readable revision and every watch must be equal. A failure names its seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { Failure } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";
import type { WatchBatch, WatchEvent, WatchRequest } from "../../src/contract/keyspace.ts";
import { OPEN_END } from "../../src/contract/requests.ts";
import type { Command, RangeRequest, RangeResponse } from "../../src/contract/requests.ts";
import { Base } from "../../src/keyspace/base.ts";
import type { Effects } from "../../src/keyspace/effects.ts";
import { Head } from "../../src/keyspace/head.ts";
import { finish } from "../../src/keyspace/range.ts";
import { WatchHub } from "../../src/keyspace/watch-hub.ts";
import { KeyspaceTwin } from "../../src/verify/keyspace-twin.ts";
import { bounds, randomCommand, randomRange } from "./keyspace-plan.ts";

const MIN_TTL_MS = 1_000;
const SEQUENCES = Number(process.env["QUORATE_TWIN_SEQUENCES"] ?? 6_000);
const FIRST_SEED = Number(process.env["QUORATE_SEED"] ?? 1);
const STEPS = 50;

/** One watch and what it has been given. */
interface Watched {
  readonly request: WatchRequest;
  next: number;
  events: WatchEvent[];
  upTo: number;
  ended: Failure | undefined;
}

interface Sealed {
  readonly index: number;
  readonly transactions: readonly Effects[];
  readonly twin: KeyspaceTwin;
}

/** The least that a sequence must contain on average. */
const COVERAGE: readonly (readonly [string, number])[] = [
  ["put wrote", 3],
  ["deleteRange wrote", 0.5],
  ["txn wrote", 2],
  ["leaseGrant wrote", 0.5],
  ["leaseRevoke wrote", 0.15],
  ["compact wrote", 0.1],
  ["LEASE_NOT_FOUND", 0.5],
  ["DUPLICATE_KEY", 0.2],
  ["COMPACTED", 0.1],
  ["FUTURE_REVISION", 0.1],
  ["KEY_NOT_FOUND", 0.1],
  ["rollback", 0.5],
  ["watched", 2],
  ["keys read", 10],
];

/** How often each thing was compared: a generator that only makes trivial cases must not pass. */
const tally = new Map<string, number>();
function count(what: string, by = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + by);
}

class Pair {
  readonly random: Prng;
  readonly base = new Base();
  readonly hub = new WatchHub(this.base, () => undefined);
  readonly head: Head;
  readonly watches: Watched[] = [];
  sealed: Sealed[] = [];
  /** The twin of the head, and that of the base. */
  atHead = new KeyspaceTwin(MIN_TTL_MS);
  committed = this.atHead.clone();
  index = 0;

  constructor(seed: number) {
    this.random = prng(seed);
    this.head = new Head(this.base, {
      procedures: new Map(),
      quotaBytes: 1 << 30,
      minLeaseTtlMs: MIN_TTL_MS,
      leaseId: () => 77n,
    });
  }

  step(): void {
    const dice = this.random.below(40);
    if (dice < 27) this.command(randomCommand(this.random, this.atHead.revision));
    else if (dice < 31) this.seal();
    else if (dice < 35) this.apply();
    else if (dice < 36) this.rollback();
    else if (dice < 38) this.watch();
    else if (dice < 39) finish(this.base.compactWork());
    else this.query(randomRange(this.random, this.committed.revision));
  }

  command(command: Command): void {
    const expected = this.atHead.call(command);
    const { reply, wrote } = this.head.evaluate(command, undefined, this.index);
    count(expected.ok ? `${command.kind}${wrote ? " wrote" : ""}` : (expected.codes[0] ?? ""));
    if (expected.ok) assert.deepEqual(reply, expected);
    else {
      assert.ok(!reply.ok, `should have been refused with ${expected.codes.join()}`);
      assert.ok(
        expected.codes.includes(reply.failure.code),
        `${reply.failure.code} not in ${expected.codes.join()}`,
      );
      assert.equal(wrote, false);
    }
    assert.equal(this.head.revision, this.atHead.revision);
  }

  seal(): void {
    if (this.head.openCount === 0) return;
    const index = ++this.index;
    this.sealed.push({ index, transactions: this.head.seal(index), twin: this.atHead.clone() });
  }

  apply(): void {
    const entry = this.sealed.shift();
    if (entry === undefined) return;
    const { index, transactions, twin } = entry;
    this.base.apply({ index, term: 1, time: index, transactions }, index);
    this.head.committed(index);
    this.committed = twin;
    this.deliver();
  }

  rollback(): void {
    if (this.head.overlayBytes > 0) count("rollback");
    this.head.rollback();
    this.sealed = [];
    this.index = this.base.appliedIndex;
    this.atHead = this.committed.clone();
  }

  query(request: RangeRequest): void {
    const expected = request.key === "" ? undefined : this.committed.range(request);
    if (expected === undefined) return;
    const work = this.base.range(request);
    if (expected.ok) count("keys read", (expected.response as RangeResponse).kvs.length);
    if (expected.ok)
      assert.deepEqual(finish(work as Generator<undefined, RangeResponse>), expected.response);
    else assert.deepEqual([(work as Failure).code], expected.codes);
  }

  watch(): void {
    const { random } = this;
    const where = bounds(random);
    if (
      where.key === "" ||
      (where.end !== undefined && where.end !== OPEN_END && where.key >= where.end)
    )
      return;
    const oldest = Math.max(1, this.committed.compactRevision);
    const next = oldest + random.below(this.committed.revision + 3 - oldest);
    const request: WatchRequest = {
      ...where,
      startRevision: next,
      prevKv: random.chance(1, 2),
      without: random.chance(1, 6) ? random.pick(["put", "delete"] as const) : undefined,
    };
    const watched: Watched = { request, next, events: [], upTo: 0, ended: undefined };
    this.watches.push(watched);
    this.hub.open(request, {
      started: () => undefined,
      batch: (batch) => take(watched, batch),
      ended: (failure) => (watched.ended = failure),
    });
    this.deliver();
  }

  /** Every watch must be given exactly what the twin says, or end because of a compaction that passed it. */
  deliver(): void {
    while (this.hub.deliver());
    for (const watched of this.watches) {
      if (watched.ended !== undefined) {
        assert.equal(watched.ended.code, "COMPACTED");
        assert.ok(
          watched.next < this.committed.compactRevision,
          "ended though nothing it needs was compacted",
        );
        continue;
      }
      count("watched", watched.events.length);
      assert.deepEqual(watched.events, this.committed.watched(watched.request, watched.next));
      watched.next = Math.max(watched.next, this.committed.revision + 1);
      watched.events = [];
    }
    for (let at = this.watches.length - 1; at >= 0; at--) {
      if (this.watches[at]?.ended !== undefined) this.watches.splice(at, 1);
    }
  }

  /** Commits everything and compares all that can be read. */
  end(): void {
    this.seal();
    while (this.sealed.length > 0) this.apply();
    const everything = { kind: "range", key: "\0" as Bytes, end: OPEN_END } as const;
    for (
      let revision = Math.max(1, this.committed.compactRevision);
      revision <= this.committed.revision;
      revision++
    ) {
      this.query({ ...everything, revision });
    }
    this.query(everything);
    const ids = this.committed.leases.map((lease) => lease.id).sort((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(finish(this.base.leaseIds()).ids, ids);
    for (const { id, ttlMs } of this.committed.leases) {
      const lease = finish(this.base.leaseTimeToLive(id, true, this.index));
      assert.deepEqual([lease.grantedTtlMs, lease.keys], [ttlMs, this.committed.leaseKeys(id)]);
    }
    assert.equal(this.head.overlayBytes, 0, "nothing is left uncommitted");
  }
}

function take(watched: Watched, batch: WatchBatch): boolean {
  assert.ok(batch.revision >= watched.upTo, "batches go forward");
  const first = batch.events[0]?.kv.modRevision ?? Infinity;
  assert.ok(first > watched.upTo, "a revision is not split");
  watched.upTo = batch.revision;
  watched.events.push(...batch.events);
  return true;
}

test("[KS-TWIN] head, base and watches equal the slow twin (random commands, seals, rollbacks)", () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEQUENCES; seed++) {
    const pair = new Pair(seed);
    let step = 0;
    try {
      for (; step < STEPS; step++) pair.step();
      pair.end();
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      const again = `QUORATE_SEED=${seed} QUORATE_TWIN_SEQUENCES=1`;
      throw new Error(`seed ${seed}, step ${step} (${again}): ${found}`, { cause: error });
    }
  }
  for (const [what, share] of COVERAGE) {
    assert.ok(
      (tally.get(what) ?? 0) >= share * SEQUENCES || SEQUENCES < 100,
      `${what}: ${tally.get(what)} times`,
    );
  }
});
