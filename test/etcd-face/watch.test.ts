/** `etcdserverpb.Watch` beside a real etcd, and what only a server under load shows. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { WatchCreateRequest, WatchResponse } from "../../src/wire/etcd/messages.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import type { Init } from "../../src/wire/protobuf.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import { GrpcClient, RawClient } from "./grpc-client.ts";
import { frame, MessageReader } from "../../src/wire/grpc/framing.ts";
import type { Side } from "./two-servers.ts";
import { TwoServers } from "./two-servers.ts";
import type { Watching } from "./watching.ts";
import { open, put } from "./watching.ts";

const b = (text: string): Bytes => text as Bytes;

/** The next `count` events, by watch: how they are cut into messages, and which watch hears first, is free. */
async function events(stream: Watching, count: number): Promise<readonly unknown[]> {
  const seen: { readonly watchId: number }[] = [];
  while (seen.length < count) {
    const message = await stream.next();
    assert.equal(message.canceled, false, message.cancelReason);
    for (const event of message.events) seen.push({ watchId: message.watchId, ...event });
  }
  return seen.toSorted((one, other) => one.watchId - other.watchId);
}

describe("Watch beside etcd", { timeout: 480_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  /** Runs on both; each stream is cancelled at the end. */
  async function agree(
    what: string,
    conversation: (stream: Watching, side: Side) => Promise<readonly unknown[]>,
  ): Promise<void> {
    await two.agree(what, async (side) => {
      const stream = open(side.client);
      try {
        return await conversation(stream, side);
      } finally {
        stream.cancel();
      }
    });
  }

  test("[WCH-1] watches are announced, told their events and cancelled (one stream, many watches)", async () => {
    await agree("life", async (stream, { client }) => {
      const seen: unknown[] = [];
      stream.send({ create: { key: b("w/"), rangeEnd: b("w0"), prevKv: true } });
      seen.push(await stream.next());
      stream.send({ create: { key: b("w/b") } });
      seen.push(await stream.next());
      stream.send({ create: { key: b("w/"), rangeEnd: b("\0"), watchId: 7 } });
      seen.push(await stream.next());
      stream.send({ create: { key: b(""), rangeEnd: b("") } });
      seen.push(await stream.next());
      await put(client, "w/a", "1");
      seen.push(...(await events(stream, 2)));
      await put(client, "w/a", "2");
      seen.push(...(await events(stream, 2)));
      await client.call(METHODS.deleteRange, { key: b("w/a") });
      seen.push(...(await events(stream, 2)));
      await put(client, "w/b", "3");
      seen.push(...(await events(stream, 3)));
      stream.send({ cancel: { watchId: 99 } });
      stream.send({ cancel: { watchId: 7 } });
      seen.push(await stream.next());
      stream.send({});
      stream.send({ create: { key: b("w/c"), watchId: 7 } });
      seen.push(await stream.next());
      return seen;
    });
  });

  test("[WCH-2] refused watches say why, the stream goes on (2 servers)", async () => {
    await agree("refusals", async (stream) => {
      const seen: unknown[] = [];
      const requests: readonly Init<WatchCreateRequest>[] = [
        { key: b("b"), rangeEnd: b("a") },
        { key: b("b"), rangeEnd: b("b") },
        { key: b("b"), watchId: 3 },
        { key: b("b"), watchId: 3 },
        { key: b("c") },
      ];
      for (const create of requests) {
        stream.send({ create });
        seen.push(await stream.next());
      }
      return seen;
    });
  });

  test("[WCH-3] the past is told from any revision, until it is compacted (2 servers)", async () => {
    await agree("past", async (stream, { client }) => {
      const seen: unknown[] = [];
      const revisions: number[] = [];
      for (const value of ["1", "2", "3", "4"])
        revisions.push((await put(client, "past/a", value)).header?.revision ?? 0);
      const [first = 0, second = 0, third = 0, last = 0] = revisions;
      const create = async (startRevision: number, more: object = {}): Promise<void> => {
        stream.send({ create: { key: b("past/a"), startRevision, ...more } });
        seen.push(await stream.next());
      };
      await create(second, { prevKv: true });
      seen.push(...(await events(stream, 3)));
      await client.call(METHODS.compact, { revision: third });
      await create(third, { prevKv: true });
      seen.push(...(await events(stream, 2)));
      await create(first);
      const cancelled = await stream.next();
      seen.push({ ...cancelled, header: undefined });
      await create(last + 2);
      await put(client, "past/a", "5");
      seen.push(...(await events(stream, 2)));
      await put(client, "past/a", "6");
      seen.push(...(await events(stream, 3)));
      return seen;
    });
  });

  test("[WCH-4] filters leave out what they name (2 servers)", async () => {
    await agree("filters", async (stream, { client }) => {
      const seen: unknown[] = [];
      for (const filters of [[0], [1], [0, 1], []]) {
        stream.send({ create: { key: b("f"), filters } });
        seen.push(await stream.next());
      }
      await put(client, "f", "1");
      seen.push(...(await events(stream, 2)));
      await client.call(METHODS.deleteRange, { key: b("f") });
      seen.push(...(await events(stream, 2)));
      return seen;
    });
  });

  test("[WCH-5] a request for progress is answered once, for the stream (2 servers)", async () => {
    await agree("progress", async (stream, { client }) => {
      const seen: unknown[] = [];
      stream.send({ create: { key: b("p") } });
      seen.push(await stream.next());
      await put(client, "elsewhere", "1");
      stream.send({ progress: {} });
      const asked = await stream.next();
      const { kvs: _, ...now } = await client.call(METHODS.range, { key: b("p") });
      seen.push(asked, now);
      return seen;
    });
  });

  test("[WCH-6] a revision beyond 2 MiB comes in fragments to whoever takes them (2 servers)", async () => {
    await two.agree("fragments", async ({ client }) => {
      const big = "x".repeat(300_000);
      for (let at = 0; at < 12; at++) await put(client, `big/${at}`, big);
      const range = { key: b("big/"), rangeEnd: b("big0"), prevKv: true };
      const whole = open(client);
      whole.send({ create: range });
      await whole.next();
      const pieces = open(client);
      pieces.send({ create: { ...range, fragment: true } });
      await pieces.next();
      await client.call(METHODS.deleteRange, { key: b("big/"), rangeEnd: b("big0") });
      const { events: all, fragment } = await whole.next();
      let more = true;
      let count = 0;
      let messages = 0;
      for (; more; messages++) {
        const message = await pieces.next();
        count += message.events.length;
        more = message.fragment;
      }
      whole.cancel();
      pieces.cancel();
      return [all.length, fragment, count, messages > 1];
    });
  });
});

describe("Watch", { timeout: 240_000 }, () => {
  let server: RunningServer;
  let client: GrpcClient;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0", watchProgressMs: 40 });
    client = new GrpcClient(server.url.replace("quorate://", ""));
  });
  after(async () => {
    client.close();
    await server.close();
  });

  test("[WCH-7] an idle watch that asks for it is told how far it is, others are not (2 watches)", async () => {
    const stream = open(client);
    stream.send({ create: { key: b("idle"), progressNotify: true } });
    stream.send({ create: { key: b("idle") } });
    assert.equal((await stream.next()).watchId, 0);
    assert.equal((await stream.next()).watchId, 1);
    const revision = (await put(client, "else", "1")).header?.revision;
    for (;;) {
      const told = await stream.next();
      assert.equal(told.watchId, 0);
      assert.deepEqual(told.events, []);
      if (told.header?.revision === revision) break;
    }
    stream.cancel();
  });

  test("[WCH-5] progress is told when the slowest watch has all, whoever goes meanwhile (40 watches)", async () => {
    for (let at = 0; at < 60; at++) await put(client, "much", "x".repeat(100_000));
    const revision = (await put(client, "much", "last")).header?.revision ?? 0;
    const stream = open(client);
    // The first to be asked goes away, the last has megabytes to read.
    stream.send({ create: { key: b("none"), watchId: 99 } });
    stream.send({ create: { key: b("future"), startRevision: revision + 1_000 } });
    for (let at = 0; at < 38; at++) stream.send({ create: { key: b(`idle/${at}`) } });
    stream.send({ create: { key: b("much"), startRevision: revision - 60, watchId: 77 } });
    stream.send({ progress: {} });
    stream.send({ cancel: { watchId: 99 } });
    stream.send({ progress: {} });
    let heard = 0;
    let told = 0;
    while (told < 2) {
      const message = await stream.next();
      heard += message.events.length;
      if (message.watchId !== -1) continue;
      told++;
      assert.equal(heard, 61);
      assert.ok((message.header?.revision ?? 0) >= revision);
    }
    stream.cancel();
  });

  test("[WCH-2] a start below zero is refused as compacted (1 watch)", async () => {
    const stream = open(client);
    stream.send({ create: { key: b("a"), startRevision: -1 } });
    const { created, canceled, watchId, cancelReason } = await stream.next();
    assert.deepEqual(
      { created, canceled, watchId, cancelReason },
      {
        created: true,
        canceled: true,
        watchId: -1,
        cancelReason: "etcdserver: mvcc: required revision has been compacted",
      },
    );
    stream.cancel();
  });

  test("[WCH-8] a closed stream leaves no watch behind (50 watches)", async () => {
    const before = server.driver.status().watchers;
    const stream = open(client);
    for (let at = 0; at < 50; at++) {
      stream.send({ create: { key: b(`many/${at}`) } });
      await stream.next();
    }
    assert.equal(server.driver.status().watchers, before + 50);
    stream.cancel();
    await stream.end();
    while (server.driver.status().watchers !== before)
      await client.call(METHODS.range, { key: b("a") });
  });

  test("[WCH-9] a client that does not read costs a position, and is cancelled when history passes it (1 watch)", async () => {
    const raw = new RawClient(server.url.replace("quorate://", ""));
    const stream = raw.open(METHODS.watch.path);
    stream.write(frame(METHODS.watch.request, { create: { key: b("slow") } }));
    await once(stream, "response");
    const value = "x".repeat(100_000);
    let revision = 0;
    for (let at = 0; at < 60; at++)
      revision = (await put(client, "slow", value)).header?.revision ?? 0;
    await client.call(METHODS.compact, { revision });
    const reader = new MessageReader(1 << 30);
    const seen: WatchResponse[] = [];
    stream.on("data", (chunk: Buffer) => {
      reader.push(chunk, (bytes) => seen.push(METHODS.watch.response.decode(bytes)));
    });
    while (seen.at(-1)?.canceled !== true) await once(stream, "data");
    const told = seen.flatMap((message) => message.events.map((event) => event.kv?.version));
    assert.deepEqual(
      told,
      told.map((_, at) => at + 1),
      "in order, without a gap",
    );
    assert.ok(told.length < 40, `${told.length} events were kept for a client that does not read`);
    assert.equal(seen.at(-1)?.compactRevision, revision);
    raw.close();
  });

  test("[WCH-9] many watches of a client that does not read cost as little (200 watches)", async () => {
    const raw = new RawClient(server.url.replace("quorate://", ""));
    const stream = raw.open(METHODS.watch.path);
    for (let at = 0; at < 200; at++)
      stream.write(frame(METHODS.watch.request, { create: { key: b("wide") } }));
    await once(stream, "response");
    while (server.driver.status().watchers < 200) await put(client, "else", "1");
    const before = process.memoryUsage().arrayBuffers;
    await put(client, "wide", "x".repeat(1 << 20));
    for (let at = 0; at < 50; at++) await put(client, "else", "1");
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 32 << 20, `${grown >> 20} MiB for a message that nobody reads`);
    let heard = 0;
    const reader = new MessageReader(1 << 30);
    stream.on("data", (chunk: Buffer) => {
      reader.push(chunk, (bytes) => {
        heard += METHODS.watch.response.decode(bytes).events.length;
      });
    });
    while (heard < 200) await once(stream, "data");
    raw.close();
  });
});
