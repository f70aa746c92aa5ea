/** What no honest client sends: the server answers, refuses or hangs up, and goes on serving everybody else. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as dial } from "node:net";
import { after, before, describe, test } from "node:test";
import { toArray } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { prng } from "../../src/base/prng.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { CARE, CLUSTER } from "../../src/wire/etcd/cluster.ts";
import { ELECTION, LOCK } from "../../src/wire/etcd/concurrency.ts";
import { toJson } from "../../src/wire/etcd/json.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { frame } from "../../src/wire/grpc/framing.ts";
import { MAGIC } from "../../src/wire/native/messages.ts";
import type { Field, Message } from "../../src/wire/protobuf.ts";
import * as by from "../http2/frames.ts";
import { until } from "../until.ts";
import { GrpcClient, RawClient } from "./grpc-client.ts";

const SEED = Number(process.env["QUORATE_SEED"] ?? 7);
const SHAPES = [METHODS, CARE, CLUSTER, LOCK, ELECTION].flatMap((each) => Object.values(each));
/** The paths of the gateway for them, and some that are none. */
const PATHS = [
  ...["kv/range", "kv/put", "kv/txn", "kv/deleterange", "watch", "lease/keepalive", "lease/grant"],
  ...["maintenance/alarm", "election/observe", "maintenance/status", "none", "cluster/member/add"],
];

describe("Hostile clients", { timeout: 480_000 }, () => {
  let server: RunningServer;
  let client: GrpcClient;
  let endpoint: string;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0", quotaBytes: 8 << 20 });
    endpoint = server.url.replace("quorate://", "");
    client = new GrpcClient(endpoint);
  });
  after(async () => {
    client.close();
    await server.close();
  });

  /** The server serves others as before. */
  async function lives(what: string): Promise<void> {
    const { kvs } = await client.call(METHODS.range, { key: "alive" as Bytes });
    assert.deepEqual(kvs, [], what);
  }

  test(`[HST-1] messages with random fields, and spoilt ones, end with a status (seed ${SEED})`, async () => {
    const random = prng(SEED);
    const raw = new RawClient(endpoint);
    for (let round = 0; round < 600; round++) {
      const shape = SHAPES[random.below(SHAPES.length)] as (typeof SHAPES)[number];
      const request = shape.request as unknown as Message<object>;
      const body = Buffer.from(frame(request, anything(request, random, 4)));
      if (random.chance(1, 2)) spoil(body, random);
      const stream = raw.open(shape.path, { "grpc-timeout": "20m" });
      stream.on("error", () => {});
      stream.resume();
      stream.end(body);
      await once(stream, "close");
    }
    raw.close();
    await lives("random messages");
  });

  test(`[HST-2] random JSON, and spoilt JSON, is answered with a status (seed ${SEED})`, async () => {
    const random = prng(SEED);
    for (let round = 0; round < 300; round++) {
      const shape = SHAPES[random.below(SHAPES.length)] as (typeof SHAPES)[number];
      const request = shape.request as unknown as Message<object>;
      const body = Buffer.from(JSON.stringify(toJson(request, anything(request, random, 4))));
      if (random.chance(1, 2) && body.length > 0) spoil(body, random);
      const answer = await fetch(`http://${endpoint}/v3/${PATHS[random.below(PATHS.length)]}`, {
        method: "POST",
        headers: { "grpc-timeout": "20m" },
        body,
      });
      assert.ok([200, 400, 403, 404, 412, 429, 500, 501, 504].includes(answer.status));
      await answer.text();
    }
    await lives("random JSON");
  });

  test(`[HST-3] connections that say nonsense, stop in the middle or go away (seed ${SEED})`, async () => {
    const random = prng(SEED);
    const starts = [
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n",
      "POST /v3/watch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET /metrics HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      "CONNECT a:1 HTTP/1.1\r\n\r\n",
      "\0",
      "",
    ];
    for (let round = 0; round < 200; round++) {
      const socket = dial(Number(endpoint.split(":")[1]), "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.resume();
      const noise = Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256)));
      socket.write(Buffer.concat([Buffer.from(starts[random.below(starts.length)] ?? ""), noise]));
      await new Promise((resolve) => setImmediate(resolve));
      if (random.chance(1, 2)) socket.destroy();
      else socket.end();
    }
    await lives("nonsense");
  });

  /** A call that begins to watch or to wait for a lock. */
  function beginning(at: number): readonly [path: string, message: Uint8Array] {
    const key = `reset/${at}` as Bytes;
    return at % 2 === 0
      ? [METHODS.watch.path, frame(METHODS.watch.request, { create: { key } })]
      : [LOCK.lock.path, frame(LOCK.lock.request, { name: key })];
  }

  test("[HST-4] calls that are reset as soon as they begin leave nothing behind (2 connections, 1,000 calls)", async () => {
    for (let round = 0; round < 2; round++) {
      const raw = new RawClient(endpoint);
      for (let at = 0; at < 500; at++) {
        const [path, message] = beginning(at);
        const stream = raw.open(path);
        stream.on("error", () => {});
        stream.write(message);
        stream.close(8);
        if (at % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await lives("resets");
      assert.equal(raw.session.destroyed, false);
      raw.close();
    }
    // The reactor's own.
    while (server.driver.status().watchers > 1) await lives("watches are gone");
  });

  test("[HST-4] a flood of calls that are reset ends its connection (1 connection, 30,000 calls)", async () => {
    const socket = dial(Number(endpoint.split(":")[1]), "127.0.0.1");
    socket.on("error", () => {});
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.write(Buffer.concat([by.PREFACE, by.settings()]));
    for (let at = 0; at < 30_000 && !socket.destroyed; at++) {
      const [path, message] = beginning(at);
      const fields = [...by.POST.filter(([name]) => name !== ":path"), [":path", path]] as const;
      const id = 2 * at + 1;
      socket.write(
        Buffer.concat([
          by.headers(id, [...fields, ["content-type", "application/grpc"]]),
          by.data(id, message),
          by.rstStream(id, 8),
        ]),
      );
      if (at % 1_000 === 0) await lives("a flood of resets");
    }
    if (!socket.destroyed) await once(socket, "close");
    const last = by.framesOf(Buffer.concat(parts)).at(-1);
    assert.equal(last?.type, 7);
    assert.equal(last?.payload.readUInt32BE(4), 11);
    assert.equal(String(last?.payload.subarray(8)), "too many streams for nothing");
    while (server.driver.status().watchers > 1) await lives("watches are gone");
  });

  test("[HST-7] whoever comes back after a flood of resets does not begin anew (5 connections, 50,000 calls)", async () => {
    const own = await startServer({ listen: "127.0.0.1:0" });
    const [path] = beginning(0);
    const fields = [...by.POST.filter(([name]) => name !== ":path"), [":path", path]] as const;
    let reset = 0;
    const began = performance.now();
    /** Resets 10,000 calls, as many as one connection may; whether it was ended. */
    const flood = async (): Promise<boolean> => {
      const socket = dial(Number(new URL(own.url).port), "127.0.0.1");
      socket.on("error", () => {});
      const parts: Buffer[] = [];
      socket.on("data", (part: Buffer) => parts.push(part));
      socket.write(Buffer.concat([by.PREFACE, by.settings()]));
      for (let at = 0; at < 100 && !socket.destroyed; at++) {
        const calls = Array.from({ length: 100 }, (_, call) => {
          const id = 2 * (100 * at + call) + 1;
          const head = by.headers(id, [...fields, ["content-type", "application/grpc"]]);
          return Buffer.concat([head, by.rstStream(id, 8)]);
        });
        reset += calls.length;
        socket.write(Buffer.concat(calls));
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.write(by.ping());
      const isAnswered = (): boolean =>
        by.framesOf(Buffer.concat(parts)).some(({ type, flags }) => type === 6 && flags === 1);
      await until(
        () => socket.destroyed || isAnswered(),
        () => "neither answered nor ended",
      );
      const ended = socket.destroyed;
      socket.destroy();
      return ended;
    };
    const ended: boolean[] = [];
    for (let at = 0; at < 5; at++) ended.push(await flood());
    const regained = (2 * (performance.now() - began)) | 0;
    assert.deepEqual(ended.slice(0, 2), [false, false]);
    // A machine that is slow enough gives it time to regain what it wastes.
    if (reset > 20_000 + regained) assert.ok(ended.includes(true), `${reset} resets`);
    await own.close();
  });

  test("[HST-6] messages that are begun and not finished are kept up to 64 MiB on a connection (1 connection, 70 calls of 1 MiB)", async () => {
    const raw = new RawClient(endpoint);
    const begun = Buffer.alloc((1 << 20) + 5);
    begun.writeUInt32BE((1 << 20) + 100, 1);
    const statuses: string[] = [];
    const streams = Array.from({ length: 70 }, () => {
      const stream = raw.open(METHODS.put.path);
      stream.on("error", () => {});
      stream.on("response", (headers) => statuses.push(String(headers["grpc-status"])));
      stream.write(begun);
      return stream;
    });
    while (statuses.length < 6) await lives("unfinished messages");
    assert.deepEqual(new Set(statuses), new Set(["8"]));
    for (const stream of streams) stream.close(8);
    const stream = raw.open(METHODS.range.path);
    stream.end(Buffer.from(frame(METHODS.range.request, { key: "alive" as Bytes })));
    const [trailers] = (await once(stream.resume(), "trailers")) as [Record<string, string>];
    assert.equal(trailers["grpc-status"], "0", "what is given up counts no more");
    raw.close();
  });

  test("[GRPC-12] what a stream brings at once is heeded in turns: others are served in between (2,500 watches)", async () => {
    const total = 2_500;
    const { path, request } = METHODS.watch;
    const creates = Array.from({ length: total }, (_, at) =>
      frame(request, { create: { key: `k${at}` as Bytes } }),
    );
    const raw = new RawClient(endpoint);
    const stream = raw.open(path);
    stream.on("error", () => {});
    stream.resume();
    const before = server.driver.status().watchers;
    stream.write(Buffer.concat(creates));
    // As many as there were whenever somebody else had a turn.
    const seen = new Set<number>();
    for (let opened = 0; opened < total;) {
      await new Promise((resolve) => setImmediate(resolve));
      opened = server.driver.status().watchers - before;
      seen.add(opened);
    }
    assert.ok(seen.size > 3, `only ${[...seen].join(", ")} were seen`);
    raw.close();
    await lives("many watches at once");
  });

  for (const [protocol, mistake] of [
    ["HTTP/2", Buffer.concat([by.PREFACE, by.settings(), by.data(0, [1])])],
    ["native", Buffer.concat([toArray(MAGIC), Buffer.alloc(8, 0xff)])],
  ] as const)
    test(`[HST-8] whoever goes on when the connection has ended is not read, and is cut off (${protocol}, 128 MiB)`, async () => {
      const port = Number(endpoint.split(":")[1]);
      const socket = dial({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.on("error", () => {});
      socket.resume();
      socket.write(mistake);
      await once(socket, "end");
      let taken = 0;
      const mebibyte = Buffer.alloc(1 << 20);
      for (let at = 0; at < 128; at++)
        socket.write(mebibyte, (error) => {
          if (error === undefined || error === null) taken++;
        });
      await new Promise((resolve) => socket.once("close", resolve));
      // What the system itself holds of a connection is tens of MiB at most.
      assert.ok(taken < 64, `${taken} MiB were taken`);
      await lives("after the end");
    });

  test("[HST-5] many connections that never say what they speak hold up nobody (500 connections)", async () => {
    const sockets = Array.from({ length: 500 }, (_, at) => {
      const socket = dial(Number(endpoint.split(":")[1]), "127.0.0.1");
      socket.on("error", () => {});
      if (at % 2 === 0) socket.write("P");
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    for (let at = 0; at < 50; at++) await lives("silent connections");
    for (const socket of sockets) socket.destroy();
  });
});

/** A message with random fields of their types, some out of range. */
function anything(message: Message<object>, random: Prng, depth: number): object {
  const out: Record<string, unknown> = {};
  for (const [name, field] of message.fields) {
    if (random.chance(1, 2)) continue;
    if (field.repeated)
      out[name] = Array.from({ length: random.below(3) }, () => one(field, random, depth));
    else out[name] = one(field, random, depth);
    if (out[name] === undefined) delete out[name];
  }
  return out;
}

const NUMBERS = [0, 1, -1, 2, 7, 1_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

function one(field: Field<unknown>, random: Prng, depth: number): unknown {
  const number = NUMBERS[random.below(NUMBERS.length)] ?? 0;
  switch (field.type) {
    case "bytes":
      return ["", "\0", "a", "a/", "b", "\u00ff\u00fe"][random.below(6)];
    case "string":
      return ["", "http://a:1", "é", "x".repeat(100)][random.below(4)];
    case "bool":
      return random.chance(1, 2);
    case "big64":
      return BigInt(number);
    case "int32":
      return random.below(7) - 1;
    case "message":
      return depth === 0 || field.message === undefined
        ? {}
        : anything(field.message, random, depth - 1);
    default:
      return number;
  }
}

/** Changes some bytes. */
function spoil(bytes: Buffer, random: Prng): void {
  for (let times = 1 + random.below(4); times > 0; times--)
    bytes[random.below(bytes.length)] = random.below(256);
}
