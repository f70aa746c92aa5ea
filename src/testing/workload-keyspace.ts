/**
 * What the simulated workload does with the keyspace itself: writes, reads, conditions, keys with a lease, all of it within
 * a part of the keyspace of which a history is kept, and followed by a watch.
 *
 * What must be, beside what checkers find in the history: WL-1 a counter's number is at least what was acknowledged, and at
 * most that and what may have happened; WL-2 no client sees revisions go back; WL-3 a watch is told each version of each
 * counter once, in order, over reconnects and restarts, but for what was forgotten before it was told.
 */
import { utf8 } from "../base/bytes.ts";
import type { Bytes } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import type { KeyValue } from "../contract/requests.ts";
import type { Quorate } from "../sdk/quorate.ts";
import type { Scope } from "../verify/history/history.ts";
import { pause } from "./pause.ts";
import type { Life, Process, World } from "./world.ts";

const COUNTERS = 3;
const KEYS = 5;
const COUNTER = "kept/counter/";
/** Whoever follows the keys stops here. */
const END = utf8("kept/zz-end");
/** All that is written here; nothing else is. */
export const KEPT: Scope = { key: utf8("kept/"), end: utf8("kept0") };

/** What is known of one counter outside of the engine. */
interface Known {
  acknowledged: number;
  /** Attempts of which nobody knows whether they happened. */
  perhaps: number;
}

/** The counters, and what is known of them. */
export class Counters {
  readonly #known: readonly Known[] = Array.from({ length: COUNTERS }, () => ({
    acknowledged: 0,
    perhaps: 0,
  }));

  /** Adds one to a counter, if nobody else has meanwhile. */
  async count({ commitment: { keyspace } }: Quorate): Promise<number> {
    const at = below(COUNTERS);
    const known = this.#known[at] as Known;
    const key = utf8(`${COUNTER}${at}`);
    const { kvs } = await keyspace.call({ kind: "range", key });
    const found = kvs[0];
    const value = utf8(String(Number(found?.value ?? 0) + 1));
    const target = { kind: "mod", value: found?.modRevision ?? 0 } as const;
    // Counted before it is known to have failed: a process that is killed here counts nothing any more.
    known.perhaps++;
    try {
      const { succeeded, revision } = await keyspace.call({
        kind: "txn",
        compare: [{ key, result: "equal", target }],
        success: [{ kind: "put", key, value }],
        failure: [],
      });
      known.perhaps--;
      if (succeeded) known.acknowledged++;
      return revision;
    } catch (error) {
      if (QuorateError.is(error) && error.outcome === "definite") known.perhaps--;
      throw error;
    }
  }

  /** Compares what is there in the end with what is known. */
  async check(world: World): Promise<void> {
    const check = world.process("checker", async ({ q }) => {
      const { kvs } = await q.commitment.keyspace.call({ kind: "range", ...KEPT });
      for (const [at, { acknowledged, perhaps }] of this.#known.entries()) {
        const found = Number(kvs.find(({ key }) => key === utf8(`${COUNTER}${at}`))?.value ?? 0);
        const range = `${acknowledged} to ${acknowledged + perhaps}`;
        world.expect(
          found >= acknowledged && found <= acknowledged + perhaps,
          `WL-1 counter ${at} is ${found}, it must be ${range}`,
        );
      }
    });
    await check.done;
  }
}

/** Reads everything. */
export async function read({ commitment: { keyspace } }: Quorate): Promise<number> {
  return (await keyspace.call({ kind: "range", ...KEPT })).revision;
}

/** A few operations on keys that others use as well. */
export async function edit({ commitment: { keyspace } }: Quorate): Promise<number> {
  let last = 0;
  for (let left = 1 + below(4); left > 0; left--) {
    last = await editOnce(keyspace);
    await pause(below(30));
  }
  return last;
}

async function editOnce(keyspace: Keyspace): Promise<number> {
  const key = utf8(`kept/key/${below(KEYS)}`);
  const put = { kind: "put", key, value: utf8(String(below(1e9))) } as const;
  switch (below(8)) {
    case 0:
      return (await keyspace.call({ kind: "deleteRange", key, prevKv: true })).revision;
    case 1:
      return (
        await keyspace.call({
          kind: "txn",
          compare: [{ key, result: "greater", target: { kind: "version", value: 0 } }],
          success: [
            { kind: "deleteRange", key },
            { ...put, key: utf8("kept/key/moved") },
          ],
          failure: [put, { kind: "range", key: KEPT.key, end: KEPT.end, limit: 2 }],
        })
      ).revision;
    case 2:
    case 3:
      return (await keyspace.call({ kind: "range", key })).revision;
    default:
      return (await keyspace.call({ ...put, prevKv: true })).revision;
  }
}

/** A key that says who is here, for as long as its lease is renewed. */
export async function presence({ q, name }: Life): Promise<undefined> {
  const { keyspace } = q.commitment;
  const { id } = await keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 1_500 });
  const key = utf8(`kept/here/${name}`);
  await keyspace.call({ kind: "put", key, value: utf8(name), lease: id });
  for (let left = below(3); left > 0; left--) {
    await pause(below(1_000));
    const { ttlMs } = await keyspace.call({ kind: "leaseKeepAlive", id });
    if (ttlMs <= 0) return;
  }
  // Else it ends by itself.
  if (below(2) === 0) await keyspace.call({ kind: "leaseRevoke", id });
}

/** Follows all keys to the last, and remembers across its lives how far it has got. */
export function follow(world: World): Process {
  const follower = new Follower(world);
  return world.process("watcher", async ({ q: { commitment } }) => {
    while (!follower.isOver) {
      try {
        await follower.follow(commitment.keyspace);
      } catch (error) {
        if (!QuorateError.is(error, "COMPACTED")) throw error;
        await follower.skip(commitment.keyspace);
      }
    }
  });
}

class Follower {
  readonly #world: World;
  #next = 1;
  readonly #versions = new Map<Bytes, number>();
  isOver = false;

  constructor(world: World) {
    this.#world = world;
  }

  async follow(keyspace: Keyspace): Promise<void> {
    const request = { ...KEPT, startRevision: this.#next, progress: true };
    for await (const { revision, events } of keyspace.watch(request)) {
      for (const { kv } of events) {
        this.isOver ||= kv.key === END;
        if (kv.key.startsWith(utf8(COUNTER))) this.#count(kv);
      }
      this.#next = revision + 1;
      if (this.isOver) return;
    }
  }

  #count({ key, version }: KeyValue): void {
    const before = this.#versions.get(key) ?? 0;
    this.#world.expect(
      version === before + 1,
      `WL-3 the watch was told version ${version} of ${key} after ${before}`,
    );
    this.#versions.set(key, version);
  }

  /** What it was to be told is forgotten: goes on from what is there. */
  async skip(keyspace: Keyspace): Promise<void> {
    const { kvs, revision } = await keyspace.call({ kind: "range", ...KEPT });
    for (const { key, version } of kvs) this.#versions.set(key, version);
    this.isOver ||= kvs.some(({ key }) => key === END);
    this.#next = revision + 1;
  }
}

/** Writes the last of the keys: nobody writes after it. */
export function conclude(world: World): Process {
  return world.process("last", async ({ q }) => {
    await q.commitment.keyspace.call({ kind: "put", key: END, value: utf8("end") });
  });
}

/** A whole number from 0 to less than `bound`. */
function below(bound: number): number {
  return Math.floor(Math.random() * bound);
}
