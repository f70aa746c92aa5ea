/**
 * Ownership by age and by grant, mixed on one object, over any sequence of arrivals, departures, deaths, hand-overs and
 * late wake-ups. The procedures are the real ones, over a store in a map; clients wake as the line of waiting says.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../../src/base/bytes.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { resultText } from "../../src/contract/commit-revision.ts";
import { dataOf } from "../../src/contract/json-data.ts";
import type { Procedure } from "../../src/contract/procedure.ts";
import type { KeyValue } from "../../src/contract/requests.ts";
import { ProcedureTx } from "../../src/keyspace/procedure-tx.ts";
import { needsGrant } from "../../src/mechanisms/selection/contention/grant.ts";
import { handOver, promote, release } from "../../src/mechanisms/selection/contention/granted.ts";
import { decodeRecord } from "../../src/mechanisms/selection/contention/layout.ts";
import { enter, leave, list, look } from "../../src/mechanisms/selection/contention/procedures.ts";
import type { Standing } from "../../src/mechanisms/selection/contention/queue.ts";

const prefix = "lock/p/";
const rule = { kind: "first" } as const;

/** A store in a map, one transaction at a time. */
class Store {
  readonly kvs = new Map<Bytes, KeyValue>();
  revision = 1;
  now = 1_000;

  run<A, R>(procedure: Procedure<A, R>, args: A): R {
    const within = (key: Bytes, end: Bytes): KeyValue[] =>
      [...this.kvs.values()].filter((kv) => kv.key >= key && kv.key < end);
    const tx = new ProcedureTx(
      {
        get: (key) => this.kvs.get(key),
        range: (key, end) => within(key, end).toSorted((x, y) => (x.key < y.key ? -1 : 1)),
        byAge: (key, end, limit) =>
          within(key, end)
            .toSorted((x, y) => x.createRevision - y.createRevision)
            .slice(0, limit),
      },
      procedure.name,
      this.now,
    );
    const result = procedure.run(tx, structuredClone(args));
    const changes = tx.writes.filter(({ kind, key }) => kind === "put" || this.kvs.has(key));
    if (changes.length > 0) this.revision++;
    for (const write of changes) {
      const before = this.kvs.get(write.key);
      if (write.kind === "delete") this.kvs.delete(write.key);
      else
        this.kvs.set(write.key, {
          key: write.key,
          value: write.value,
          lease: write.lease,
          createRevision: before?.createRevision ?? this.revision,
          modRevision: this.revision,
          version: (before?.version ?? 0) + 1,
        });
    }
    return dataOf(resultText(result, this.revision, procedure.name)) as R;
  }

  /** Fires what is due. */
  tick(byMs: number): void {
    this.now += byMs;
    for (const key of [...this.kvs.keys()].filter((each) => each.startsWith("due/"))) {
      if (Number(key.slice(4, 20)) > this.now) continue;
      this.kvs.delete(key);
      this.revision++;
      this.run(promote, { prefix });
    }
  }
}

interface Claim {
  readonly priority: number;
  readonly barging: boolean;
  readonly delayMs: number;
  readonly queue: boolean;
}

interface Client {
  readonly key: Bytes;
  readonly claim: Claim;
  created: number;
  granted: boolean;
  standing: Standing;
  /** What it watches, as it was when it looked. */
  watched: ReadonlyMap<Bytes, number>;
}

class World {
  readonly store = new Store();
  readonly clients: Client[] = [];
  #next = 1;
  #highest = 0;
  #owner: { readonly key: string; readonly token: number } | undefined;

  arrive(claim: Claim): void {
    const key = `${prefix}${this.#next++}` as Bytes;
    const { priority, barging, delayMs, queue } = claim;
    const record = {
      layout: 1 as const,
      service: "s",
      host: "h",
      pid: 1,
      priority,
      barging,
      delayMs,
    };
    const standing = this.store.run(enter, { prefix, key, lease: "0", record, rule, queue });
    this.#check(undefined);
    if (standing.state === "refused") return;
    const created = Number(standing.created);
    const client = {
      key,
      claim,
      created,
      granted: needsGrant(claim),
      standing,
      watched: new Map(),
    };
    this.clients.push(client);
    this.#saw(client, standing);
  }

  #saw(client: Client, standing: Standing): void {
    client.standing = standing;
    client.granted ||= standing.granted === true;
    const keys = [
      standing.behind as Bytes | undefined,
      standing.granted === true ? client.key : undefined,
    ];
    client.watched = new Map(
      keys.flatMap((key) => (key === undefined ? [] : [[key, this.#mod(key)] as const])),
    );
  }

  #mod(key: Bytes): number {
    return this.store.kvs.get(key)?.modRevision ?? 0;
  }

  #wakes(client: Client): boolean {
    const { state, promote: open, behind, granted } = client.standing;
    if (state !== "waits") return false;
    if (open === true || (behind === undefined && granted !== true)) return true;
    return [...client.watched].some(([key, mod]) => {
      const now = this.store.kvs.get(key);
      if (now === undefined) return true;
      if (now.modRevision === mod) return false;
      return key === client.key || decodeRecord(now).bell !== undefined;
    });
  }

  /** One client that has been woken takes its next step. */
  wake(which: number): boolean {
    const woken = this.clients.filter((client) => this.#wakes(client));
    const client = woken[which % Math.max(1, woken.length)];
    if (client === undefined) return false;
    const { key, created } = client;
    if (client.standing.promote === true) this.store.run(promote, { prefix, taker: key });
    this.#check(undefined);
    this.#saw(client, this.store.run(look, { prefix, key, created, rule }));
    this.#check(undefined);
    assert.notEqual(client.standing.state, "absent");
    return true;
  }

  #pick(which: number, state: "owns" | "waits" | undefined): Client | undefined {
    const all = this.clients.filter((each) => state === undefined || each.standing.state === state);
    return all[which % Math.max(1, all.length)];
  }

  #drop(client: Client): void {
    this.clients.splice(this.clients.indexOf(client), 1);
  }

  depart(which: number, state: "owns" | "waits"): void {
    const client = this.#pick(which, state);
    if (client === undefined) return;
    const { key, created } = client;
    if (client.granted) this.store.run(release, { prefix, key, created });
    else this.store.run(leave, { key, created });
    this.#drop(client);
    this.#check(key);
  }

  die(which: number): void {
    const client = this.#pick(which, undefined);
    if (client === undefined) return;
    this.store.kvs.delete(client.key);
    this.store.revision++;
    this.#drop(client);
    this.#check(client.key);
  }

  handOver(which: number, to: number): void {
    const client = this.#pick(which, "owns");
    if (client === undefined) return;
    const { key, created } = client;
    const named = to % 2 === 0 ? undefined : this.#pick(to, "waits")?.key;
    const { state } = this.store.run(handOver, { prefix, key, created, number: 1, to: named });
    assert.notEqual(state, "absent", "an owner could not hand over");
    if (state === "done") this.#drop(client);
    this.#check(key);
  }

  owner(): { readonly key: string; readonly token: number } | undefined {
    const { granted, contenders } = this.store.run(list, { prefix, permits: false });
    if (granted === undefined) {
      const first = contenders[0];
      return first === undefined ? undefined : { key: first.key, token: first.created };
    }
    const { key, token } = granted;
    return key === undefined || token === undefined ? undefined : { key, token };
  }

  /** `left`: whose going was just carried out. */
  #check(left: string | undefined): void {
    const owner = this.owner();
    const before = this.#owner;
    if (before !== undefined && before.key !== owner?.key)
      assert.equal(left, before.key, `${before.key} was deprived`);
    if (owner !== undefined && owner.key === before?.key) assert.equal(owner.token, before.token);
    if (owner !== undefined && owner.key !== before?.key) {
      assert.ok(owner.token > this.#highest, `token ${owner.token} after ${this.#highest}`);
      this.#highest = owner.token;
    }
    this.#owner = owner;
    const own = this.clients.filter(({ standing }) => standing.state === "owns");
    assert.ok(own.length <= 1, "two believe that they own");
    if (own[0] !== undefined) assert.equal(own[0].key, owner?.key);
  }

  /** Everybody takes the steps that are due; then who owns knows it. */
  settle(): void {
    for (let steps = 0; steps < 1_000; steps++) {
      if (this.wake(0)) continue;
      if (![...this.store.kvs.keys()].some((key) => key.startsWith("due/"))) break;
      this.store.tick(10);
      this.#check(undefined);
    }
    const own = this.clients.find(({ standing }) => standing.state === "owns");
    assert.equal(own === undefined, this.clients.length === 0, "nobody owns though somebody asks");
    if (own === undefined) return;
    const { created, owned } = own.standing;
    assert.equal(this.owner()?.token, Number(owned ?? created));
  }
}

const claim = fc.record({
  priority: fc.constantFrom(0, 0, 0, 1, 2),
  barging: fc.constantFrom(false, false, true),
  delayMs: fc.constantFrom(0, 0, 25),
  queue: fc.constantFrom(true, true, true, false),
});
const plain = fc.constant({ priority: 0, barging: false, delayMs: 0, queue: true });
const which = fc.nat({ max: 9 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ arrive: fc.oneof(claim, plain) }) },
  { weight: 5, arbitrary: fc.record({ wake: which }) },
  { weight: 2, arbitrary: fc.record({ release: which }) },
  { weight: 1, arbitrary: fc.record({ giveUp: which }) },
  { weight: 1, arbitrary: fc.record({ die: which }) },
  { weight: 1, arbitrary: fc.record({ from: which, to: which }) },
  { weight: 1, arbitrary: fc.record({ tick: fc.constant(10) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function take(world: World, given: Step): void {
  if ("arrive" in given) world.arrive(given.arrive);
  else if ("wake" in given) world.wake(given.wake);
  else if ("release" in given) world.depart(given.release, "owns");
  else if ("giveUp" in given) world.depart(given.giveUp, "waits");
  else if ("die" in given) world.die(given.die);
  else if ("from" in given) world.handOver(given.from, given.to);
  else world.store.tick(given.tick);
}

/** The eldest waiter saw a lock delay, another one was granted, and left the lock free. */
const afterDelay: Step[] = [
  { arrive: { priority: 0, barging: false, delayMs: 25, queue: true } },
  { arrive: { priority: 0, barging: false, delayMs: 0, queue: true } },
  { die: 0 },
  { arrive: { priority: 1, barging: true, delayMs: 0, queue: true } },
];

test("[GNT-1] [GNT-2] [GNT-3] one owner, never deprived; tokens grow; somebody owns unless nobody asks (any sequence, both classes)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const each of steps) take(world, each);
      world.settle();
      while (world.clients.length > 0) {
        world.depart(0, "owns");
        world.settle();
      }
      assert.deepEqual(
        [...world.store.kvs.keys()].filter((key) => key.startsWith("due/")),
        [],
      );
    }),
    { numRuns: 1_500, examples: [[afterDelay]] },
  );
});

test("[GNT-10] a queue longer than one step reads is served to the end (140 contenders, both classes)", () => {
  const world = new World();
  for (let at = 0; at < 140; at++) {
    world.arrive({ priority: at % 50 === 49 ? 1 : 0, barging: false, delayMs: 0, queue: true });
    if (at % 3 === 0) world.wake(at);
  }
  let served = 0;
  for (world.settle(); world.clients.length > 0; world.settle()) {
    world.depart(0, "owns");
    served++;
  }
  assert.equal(served, 140);
  assert.deepEqual([...world.store.kvs.keys()], [] as Bytes[], utf8("nothing is left"));
});
