/** One connection of the service at its bounds: what it reads, keeps and refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { toArray, utf8 } from "../../src/base/bytes.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import { registry } from "../../src/host/meter.ts";
import type { ByteStream } from "../../src/ports/network.ts";
import { ServiceConnection } from "../../src/service/connection.ts";
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

function connected(driver: Driver): { readonly peer: Peer; readonly service: ServiceConnection } {
  const peer = new Peer();
  const context = { driver, clock: hostClock, meter: registry() };
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

test("[NAT-6] one watch more than a connection may have is refused, and the others go on (65,537 watches)", async () => {
  const driver = await memoryDriver();
  const { peer, service } = connected(driver);
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
