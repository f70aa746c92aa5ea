/** Random watches of random changes, beside a real etcd and against the history that one watch of all tells. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";
import type { WatchCreateRequest, WatchResponse } from "../../src/wire/etcd/messages.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import type { GrpcClient } from "./grpc-client.ts";
import { SEEDS } from "./random-steps.ts";
import { TwoServers } from "./two-servers.ts";
import { open, put } from "./watching.ts";

const b = (text: string): Bytes => text as Bytes;

describe("Random watches beside etcd", { timeout: 480_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  test(`[WCH-1] random watches hear what the history says they must (2 servers, ${SEEDS} seeds)`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await two.agree(`seed ${seed}`, async ({ client }) => {
        const random = prng(seed);
        const prefix = `seed-${seed}/`;
        const first = (await put(client, `${prefix}begin`, "")).header?.revision ?? 0;
        await change(client, random, prefix, 40);
        const wishes = Array.from({ length: 12 }, () => wish(random, prefix, first));
        const stream = open(client);
        const early: WatchResponse[] = [];
        const starts: number[] = [];
        for (const create of wishes) {
          stream.send({ create });
          // The events of a watch in the past may come before the next one is announced.
          let message = await stream.next();
          for (; !message.created; message = await stream.next()) early.push(message);
          starts.push(create.startRevision || (message.header?.revision ?? 0) + 1);
        }
        await change(client, random, prefix, 60);
        const last = (await put(client, `${prefix}end`, "")).header?.revision ?? 0;
        const history = await told(client, prefix, first, last);
        const expected = wishes.map((each, at) =>
          history.filter((event) => wanted(each, starts[at] ?? 0, event)),
        );
        const heard: WatchedEvent[][] = wishes.map(() => []);
        const all = expected.reduce((sum, each) => sum + each.length, 0);
        for (let count = 0; count < all;) {
          const { watchId, events: more } = early.shift() ?? (await stream.next());
          heard[watchId]?.push(...more);
          count += more.length;
        }
        stream.cancel();
        const bare = (each: WatchedEvent): unknown => ({ ...each, prevKv: undefined });
        for (const [at, each] of expected.entries())
          assert.deepEqual(heard[at]?.map(bare), each.map(bare), JSON.stringify(wishes[at]));
        return heard;
      });
    }
  });
});

type WatchedEvent = WatchResponse["events"][number];
type Wish = Required<
  Pick<WatchCreateRequest, "key" | "rangeEnd" | "startRevision" | "filters" | "prevKv" | "fragment">
>;

/** Puts, deletes and transactions over few keys. */
async function change(
  client: GrpcClient,
  random: Prng,
  prefix: string,
  count: number,
): Promise<void> {
  const key = (): Bytes => b(prefix + "abcdef".charAt(random.below(6)));
  for (let at = 0; at < count; at++) {
    const kind = random.below(4);
    if (kind < 2) await client.call(METHODS.put, { key: key(), value: b(String(at)) });
    else if (kind === 2)
      await client.call(METHODS.deleteRange, { key: key(), rangeEnd: b(`${prefix}d`) });
    else {
      const success = [
        { put: { key: b(`${prefix}a`), value: b(String(at)) } },
        { put: { key: b(`${prefix}c`), value: b(String(at)) } },
        { deleteRange: { key: b(`${prefix}d`), rangeEnd: b(`${prefix}g`) } },
      ].filter(() => random.chance(1, 2));
      await client.call(METHODS.txn, { success });
    }
  }
}

function wish(random: Prng, prefix: string, first: number): Wish {
  const ends = ["", `${prefix}d`, `${prefix}z`, "\0"];
  const key = b(prefix + "ab".charAt(random.below(2)));
  return {
    key,
    rangeEnd: b(ends[random.below(4)] ?? ""),
    startRevision: random.chance(1, 3) ? 0 : first + random.below(90),
    filters: random.chance(2, 3) ? [] : [random.below(2)],
    prevKv: random.chance(1, 2),
    fragment: random.chance(1, 2),
  };
}

function wanted(wish: Wish, start: number, { type, kv }: WatchedEvent): boolean {
  const { key, rangeEnd, filters } = wish;
  const at = kv?.key ?? "";
  const within = rangeEnd === "" ? at === key : at >= key && (rangeEnd === "\0" || at < rangeEnd);
  return within && (kv?.modRevision ?? 0) >= start && !filters.includes(type);
}

/** Everything that happened under `prefix`, as one watch from `first` on tells it. */
async function told(
  client: GrpcClient,
  prefix: string,
  first: number,
  last: number,
): Promise<readonly WatchedEvent[]> {
  const stream = open(client);
  const range = { key: b(prefix), rangeEnd: b(`${prefix}z`), startRevision: first };
  stream.send({ create: range });
  await stream.next();
  const all: WatchedEvent[] = [];
  while (all.at(-1)?.kv?.modRevision !== last) all.push(...(await stream.next()).events);
  stream.cancel();
  return all;
}
