/** One connection of the service at its bounds: what it reads, keeps and refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { toArray, utf8 } from "../../src/base/bytes.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { addFrames } from "../../src/driver/snapshot-files.ts";
import { hostClock } from "../../src/host/clock.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import { registry } from "../../src/host/meter.ts";
import { Importer } from "../../src/keyspace/snapshot/import.ts";
import type { ByteStream } from "../../src/ports/network.ts";
import { ServiceConnection } from "../../src/service/connection.ts";
import { Turns } from "../../src/service/turns.ts";
import { FrameReader, FrameWriter } from "../../src/wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../../src/wire/native/messages.ts";
import { clientCodec, MAGIC, serverCodec } from "../../src/wire/native/messages.ts";

/** The far end of a connection: takes bytes while it reads, none when it does not. */
class Peer implements ByteStream {
  readonly peer = "test";
  readonly heard: ServerMessage[] = [];
  reads = true;
  bytes = 0;
  paused = false;
  ended = false;
  #reader = new FrameReader<ServerMessage>(serverCodec, 1 << 30);

  write(bytes: Uint8Array): boolean {
    this.bytes += bytes.length;
    this.#reader.push(bytes.slice());
    this.#reader.take((message) => this.heard.push(message) > 0);
    return this.reads;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  keepAlive(): void {}
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.ended = true;
  }
}

async function memoryDriver(): Promise<Driver> {
  const procedures = procedureSet([]);
  return openDriver({ clock: hostClock, entropy: hostEntropy, procedures, label: "memory:" });
}

function connected(
  driver: Driver,
  clock: Clock = hostClock,
): { readonly peer: Peer; readonly service: ServiceConnection } {
  const peer = new Peer();
  const context = { driver, clock, meter: registry() };
  const service = new ServiceConnection(context, peer);
  service.received(toArray(MAGIC));
  return { peer, service };
}

function frames(messages: readonly ClientMessage[]): Uint8Array {
  const writer = new FrameWriter<ClientMessage>(clientCodec, 4 << 20);
  for (const message of messages) writer.add(message);
  return writer.take();
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock each look at which finds that `stepMs` have passed, and on which what is waited for has passed at once. */
function hurried(stepMs: number, rests: (ms: number) => void = () => {}): Clock {
  let nowMs = 0;
  return {
    ...hostClock,
    monotonicMs: () => (nowMs += stepMs),
    after: (ms, fire, options) => {
      nowMs += ms;
      rests(ms);
      return hostClock.after(0, fire, options);
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

test("[NAT-5] a client that does not read is not worked for (1 connection, 2,000 requests in one chunk)", async () => {
  const driver = await memoryDriver();
  const { peer, service } = connected(driver);
  const value = "v".repeat(100_000) as Bytes;
  const key = utf8("large");
  service.received(frames([{ kind: "request", id: 1, request: { kind: "put", key, value } }]));
  await until(() => peer.heard.some((message) => message.kind === "reply"));
  peer.reads = false;
  const before = peer.bytes;
  const total = 2_000;
  const request = { kind: "range", key } as const;
  service.received(
    frames(Array.from({ length: total }, (_, id) => ({ kind: "request", id: id + 2, request }))),
  );
  for (let turns = 0; turns < 20; turns++) await turn();
  const answered = peer.bytes - before;
  assert.ok(answered < 1 << 20, `${answered} bytes were made for a client that takes none`);
  assert.equal(peer.paused, true);
  peer.reads = true;
  const replies = (): number => peer.heard.filter((message) => message.kind === "reply").length;
  service.drained();
  await until(() => replies() === total + 1);
  assert.equal(peer.paused, false);
  service.closed();
  await driver.close();
});

test("[NAT-9] what comes at once is heeded in turns: another connection is served in between (2 connections, 1,000 watches)", async () => {
  const driver = await memoryDriver();
  // Each look at this clock finds that 3 ms have passed.
  let nowMs = 0;
  const clock = { ...hostClock, monotonicMs: () => (nowMs += 3) };
  const peer = new Peer();
  const service = new ServiceConnection({ driver, clock, meter: registry() }, peer);
  service.received(toArray(MAGIC));
  const other = connected(driver);
  await turn();
  const total = 1_000;
  const opens = Array.from({ length: total }, (_, id): ClientMessage => {
    return { kind: "watchOpen", id, request: { key: utf8(`k${id}`) } };
  });
  service.received(frames(opens));
  const taken = driver.status().watchers;
  assert.ok(taken > 0 && taken < total / 5, `${taken} in the first turn`);
  assert.equal(peer.paused, true, "nothing more is read meanwhile");
  other.service.received(frames([{ kind: "ping" }]));
  await until(() => other.peer.heard.some(({ kind }) => kind === "pong"));
  assert.ok(driver.status().watchers < total, "the other did not wait for all of them");
  const started = (): number => peer.heard.filter(({ kind }) => kind === "watchStarted").length;
  await until(() => started() === total);
  assert.equal(peer.paused, false);
  const order = peer.heard.flatMap((each) => (each.kind === "watchStarted" ? [each.id] : []));
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
    "in the order in which they came",
  );
  service.closed();
  other.service.closed();
  await driver.close();
});

test("[NAT-11] a request behind many connections that bring much is answered within a few turns (21 connections, 20,000 watches)", async () => {
  const driver = await memoryDriver();
  const clock = hurried(0.2);
  const context = { driver, clock, meter: registry(), turns: new Turns(clock) };
  const begun = (): { readonly peer: Peer; readonly service: ServiceConnection } => {
    const peer = new Peer();
    const service = new ServiceConnection(context, peer);
    service.received(toArray(MAGIC));
    return { peer, service };
  };
  const honest = begun();
  const floods = Array.from({ length: 20 }, begun);
  const each = 1_000;
  const opens = Array.from({ length: each }, (_, id): ClientMessage => {
    return { kind: "watchOpen", id, request: { key: utf8(`k${id}`) } };
  });
  for (let turns = 0; turns < 100; turns++) await turn();
  const chunk = frames(opens);
  for (const { service } of floods) service.received(chunk.slice());
  // Until they are known for what they are.
  for (let turns = 0; turns < 40; turns++) await turn();
  const opened = driver.status().watchers;
  assert.ok(opened < (20 * each) / 2, `${opened} of them are open already`);
  assert.ok(floods.every(({ peer }) => peer.paused));
  honest.service.received(frames([{ kind: "ping" }]));
  let turns = 0;
  for (; !honest.peer.heard.some(({ kind }) => kind === "pong"); turns++) await turn();
  assert.ok(turns <= 4, `${turns} turns`);
  await until(() => driver.status().watchers === 20 * each);
  await until(() => floods.every(({ peer }) => !peer.paused));
  for (const { service } of [honest, ...floods]) service.closed();
  assert.equal(driver.status().watchers, 0);
  await driver.close();
});

test("[TRN-5] beyond 10,000 watches each further one is waited for longer (1 connection, 15,000 watches)", async () => {
  const driver = await memoryDriver();
  let restedMs = 0;
  const clock = hurried(0.05, (ms) => (restedMs += ms));
  const { service } = connected(driver, clock);
  await turn();
  let id = 0;
  const restOf = async (count: number): Promise<number> => {
    const from = restedMs;
    const opens = Array.from({ length: count }, (): ClientMessage => {
      return { kind: "watchOpen", id: id++, request: { key: utf8(`k${id}`) } };
    });
    service.received(frames(opens));
    await until(() => driver.status().watchers === id);
    return restedMs - from;
  };
  const first = await restOf(10_000);
  const further = await restOf(5_000);
  assert.ok(further > 1.5 * first, `${first} ms for 10,000, ${further} ms for 5,000 more`);
  service.closed();
  await driver.close();
});

test("[NAT-6] one watch more than a connection may have is refused, and the others go on (65,537 watches)", async () => {
  const driver = await memoryDriver();
  const { peer, service } = connected(driver, hurried(0.05));
  const most = 65_536;
  const opens = Array.from({ length: most + 1 }, (_, at): ClientMessage => {
    return { kind: "watchOpen", id: at, request: { key: utf8(`k${at}`) } };
  });
  service.received(frames(opens));
  const refused = (): ServerMessage | undefined =>
    peer.heard.find((message) => message.kind === "watchEnded");
  await until(() => refused() !== undefined);
  const ended = refused() as ServerMessage & { readonly kind: "watchEnded" };
  assert.deepEqual([ended.id, ended.failure.code], [most, "OVERLOADED"]);
  assert.equal(driver.status().watchers, most);
  service.closed();
  assert.equal(driver.status().watchers, 0);
  await driver.close();
});

test("[NAT-1] after bytes that are no message nothing more is heeded (1 connection)", async () => {
  const driver = await memoryDriver();
  const { peer, service } = connected(driver);
  service.received(new Uint8Array([0, 0, 0, 2, 250, 1]));
  const put = { kind: "put", key: utf8("late"), value: utf8("v") } as const;
  service.received(frames([{ kind: "request", id: 1, request: put }]));
  await turn();
  assert.equal(peer.ended, true);
  assert.equal(peer.heard.at(-1)?.kind, "goAway");
  assert.equal(driver.status().keys, 0);
  await driver.close();
});

test("[NAT-1] messages are the same however their bytes are cut (1 connection, single bytes)", async () => {
  const driver = await memoryDriver();
  const { peer, service } = connected(driver);
  const put = (at: number): ClientMessage => ({
    kind: "request",
    id: at,
    request: { kind: "put", key: utf8(`k${at}`), value: utf8("v") },
  });
  for (const byte of frames([put(1), { kind: "ping" }, put(2)]))
    service.received(new Uint8Array([byte]));
  await until(() => peer.heard.filter((message) => message.kind === "reply").length === 2);
  assert.equal(driver.status().keys, 2);
  assert.ok(peer.heard.some((message) => message.kind === "pong"));
  service.closed();
  await driver.close();
});

test("[NAT-8] a snapshot is sent as fast as it is taken, between other answers, one at a time (1 connection)", async () => {
  const driver = await memoryDriver();
  const { peer, service } = connected(driver);
  const value = "v".repeat(1_000) as Bytes;
  const keys = 4_000;
  const put = (id: number, key: string): ClientMessage => {
    return { kind: "request", id, request: { kind: "put", key: utf8(key), value } };
  };
  const of = (kind: ServerMessage["kind"]): number =>
    peer.heard.filter((message) => message.kind === kind).length;
  service.received(frames(Array.from({ length: keys }, (_, at) => put(at, `k${at}`))));
  await until(() => of("reply") === keys);

  peer.reads = false;
  service.received(frames([{ kind: "snapshotOpen", id: 1 }]));
  for (let turns = 0; turns < 50; turns++) await turn();
  const parts = of("snapshotPart");
  assert.ok(parts >= 1 && parts <= 2, `${parts} parts were sent to one that takes none`);
  peer.reads = true;
  service.drained();
  service.received(frames([{ kind: "snapshotOpen", id: 2 }, put(keys, "later")]));
  await until(() => of("snapshotEnded") === 2);
  const kinds = peer.heard.slice(keys).map((message) => message.kind);
  assert.ok(kinds.indexOf("reply") < kinds.lastIndexOf("snapshotPart"), kinds.join(" "));
  const [refused, ended] = peer.heard.filter((message) => message.kind === "snapshotEnded");
  assert.deepEqual([refused?.id, refused?.failure?.code], [2, "OVERLOADED"]);
  assert.deepEqual([ended?.id, ended?.failure], [1, undefined]);
  const importer = new Importer();
  for (const message of peer.heard) {
    if (message.kind !== "snapshotPart") continue;
    const bytes = toArray(message.bytes);
    assert.equal(addFrames(importer, bytes), bytes.length);
  }
  // As it was when it was asked for: what was put meanwhile is not in it.
  assert.equal(importer.take().revision, keys + 1);

  // Who goes away in the middle of one leaves nothing behind.
  peer.reads = false;
  service.received(frames([{ kind: "snapshotOpen", id: 3 }]));
  await turn();
  service.closed();
  await driver.close();
});
