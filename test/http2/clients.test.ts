/** HTTP/2 on the server's port with real clients: long messages, small windows, slow readers, many streams, other programs. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ClientHttp2Stream } from "node:http2";
import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { Bytes } from "../../src/base/bytes.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { frame as message, MessageReader } from "../../src/wire/grpc/framing.ts";
import { HEALTH } from "../../src/wire/grpc/health.ts";
import { FLAG, FRAME } from "../../src/wire/http2/frames.ts";
import { GrpcClient, RawClient } from "../etcd-face/grpc-client.ts";
import * as by from "./frames.ts";
import { framesOf } from "./frames.ts";

const run = promisify(execFile);
const missing = (program: string, needs: RegExp, ...args: readonly string[]): string | false =>
  needs.test(String(spawnSync(program, args).stdout)) ? false : `${program} cannot be had`;
const noCurl = missing("curl", /HTTP2/, "--version");
const noH2load = missing("h2load", /nghttp2/, "--version");
const noNghttp = missing("nghttp", /nghttp2/, "--version");

const LONG = "v".repeat(1_400_000) as Bytes;
const COUNT = 8;
const HEALTHY = Buffer.from(message(HEALTH.check.response, { status: 1 }));

describe("HTTP/2 with real clients", { timeout: 480_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-http2-"));
  const body = join(directory, "body");
  let server: RunningServer;
  let endpoint: string;
  let client: GrpcClient;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0" });
    endpoint = server.url.replace("quorate://", "");
    client = new GrpcClient(endpoint);
    writeFileSync(body, message(HEALTH.check.request, {}));
    for (let at = 0; at < COUNT; at++)
      await client.call(METHODS.put, { key: `long/${at}` as Bytes, value: LONG });
  });
  after(async () => {
    client.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const everything = { key: "long/" as Bytes, rangeEnd: "long0" as Bytes };
  /** What a range over everything came to. */
  function longKeys(answer: Buffer): readonly string[] {
    const keys: string[] = [];
    new MessageReader(1 << 30).push(answer, (bytes) => {
      for (const { key, value } of METHODS.range.response.decode(bytes).kvs)
        keys.push(`${key} ${value === LONG ? "whole" : value.length}`);
    });
    return keys;
  }
  const WHOLE = Array.from({ length: COUNT }, (_, at) => `long/${at} whole`);

  function port(): number {
    return Number(endpoint.split(":")[1]);
  }

  async function raw(...bytes: readonly Uint8Array[]): Promise<Socket> {
    const socket = dial(port(), "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", () => {});
    socket.write(Buffer.concat([by.PREFACE, ...bytes]));
    return socket;
  }

  test("[H2-10] puts of 1.4 MB and a range of 11 MB (1 client of grpc-js)", async () => {
    const { kvs } = await client.call(METHODS.range, everything);
    assert.deepEqual(
      kvs.map(({ key, value }) => `${key} ${value === LONG ? "whole" : value.length}`),
      WHOLE,
    );
  });

  test("[H2-10] an answer of 11 MB through windows of 100 bytes, of one byte for a short one (2 clients)", async () => {
    for (const [initialWindowSize, request] of [
      [1, { ...everything, keysOnly: true }],
      [100, { ...everything, limit: 1 }],
    ] as const) {
      const session = connectHttp2(`http://${endpoint}`, { settings: { initialWindowSize } });
      const stream = session.request({
        ":method": "POST",
        ":path": METHODS.range.path,
        "content-type": "application/grpc",
      });
      stream.end(Buffer.from(message(METHODS.range.request, request)));
      const parts: Buffer[] = [];
      stream.on("data", (part: Buffer) => parts.push(part));
      const [trailers] = (await once(stream, "trailers")) as [Record<string, string>];
      assert.equal(trailers["grpc-status"], "0");
      assert.ok(longKeys(Buffer.concat(parts)).length > 0);
      session.destroy();
    }
  });

  test("[H2-10] a reader that stops in the middle gets the rest when it goes on; others are served meanwhile (1 connection, 2 streams)", async () => {
    const slow = new RawClient(endpoint);
    const stream = slow.open(METHODS.range.path);
    stream.end(Buffer.from(message(METHODS.range.request, everything)));
    await once(stream, "response");
    const parts: Buffer[] = [];
    stream.once("data", (part: Buffer) => {
      parts.push(part);
      stream.pause();
    });
    await once(stream, "pause");
    for (let at = 0; at < 20; at++) {
      const { body: answer } = await slow.request(HEALTH.check.path, {}, Buffer.alloc(5));
      assert.deepEqual(answer, HEALTHY);
    }
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.resume();
    await once(stream, "end");
    assert.deepEqual(longKeys(Buffer.concat(parts)), WHOLE);
    slow.close();
  });

  test("[H2-10] a client that asks and never reads costs a bounded amount (1 connection, 2,000 ranges of 11 MB)", async () => {
    const request = message(METHODS.range.request, everything);
    const ask = (at: number): Buffer =>
      Buffer.concat([
        by.headers(2 * at + 1, [
          [":method", "POST"],
          [":scheme", "http"],
          [":path", METHODS.range.path],
          ["content-type", "application/grpc"],
        ]),
        by.data(2 * at + 1, request, FLAG.endStream),
      ]);
    const socket = await raw(by.settings([4, 0x7fff_ffff]), by.windowUpdate(0, 0x7fff_0000));
    socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    for (let at = 0; at < 2_000 && !socket.destroyed; at++) socket.write(ask(at));
    for (let at = 0; at < 200; at++) {
      await client.call(HEALTH.check, {});
      const held = process.memoryUsage().arrayBuffers - before;
      assert.ok(held < 700 << 20, `${held >> 20} MiB are held`);
    }
    socket.destroy();
  });

  test("[H2-10] 5,000 streams of one connection, open at once, each told and ended (1 connection)", async () => {
    const many = new RawClient(endpoint);
    const streams: ClientHttp2Stream[] = [];
    for (let at = 0; at < 5_000; at++) {
      const stream = many.open(HEALTH.watch.path);
      stream.write(Buffer.from(message(HEALTH.watch.request, {})));
      streams.push(stream);
    }
    for (const stream of streams) {
      // What has come of a frame that is not whole yet is told at once.
      let told = Buffer.alloc(0);
      stream.on("data", (part: Buffer) => (told = Buffer.concat([told, part])));
      while (told.length < HEALTHY.length) await once(stream, "data");
      assert.deepEqual(told, HEALTHY);
    }
    const closed = Promise.all(streams.map((stream) => once(stream, "close")));
    for (const stream of streams) stream.close(8);
    await closed;
    const { body: answer } = await many.request(HEALTH.check.path, {}, Buffer.alloc(5));
    assert.deepEqual(answer, HEALTHY);
    many.close();
  });

  test("[H2-10] a client that says one byte at a time is understood (1 connection)", async () => {
    const socket = await raw();
    socket.setNoDelay(true);
    const received: Buffer[] = [];
    socket.on("data", (part: Buffer) => received.push(part));
    const said = Buffer.concat([
      by.settings(),
      by.headers(1, [
        [":method", "POST"],
        [":scheme", "http"],
        [":path", HEALTH.check.path],
        ["content-type", "application/grpc"],
      ]),
      by.data(1, Buffer.alloc(5), FLAG.endStream),
    ]);
    for (const byte of said)
      await new Promise<void>((sent) => socket.write(Buffer.from([byte]), () => sent()));
    const answered = (): boolean =>
      framesOf(Buffer.concat(received)).some(
        ({ type, flags }) => type === FRAME.headers && (flags & FLAG.endStream) !== 0,
      );
    while (!answered()) await once(socket, "data");
    const content = framesOf(Buffer.concat(received)).find(({ type }) => type === FRAME.data);
    assert.deepEqual(content?.payload, HEALTHY);
    socket.destroy();
  });

  test("[H2-10] an error is said before the connection is closed (1 connection)", async () => {
    const socket = await raw(by.settings(), by.data(0, [1]));
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    await once(socket, "close");
    const last = framesOf(Buffer.concat(parts)).at(-1);
    assert.equal(last?.type, FRAME.goAway);
    assert.equal(last?.payload.readUInt32BE(4), 1);
    assert.equal(String(last?.payload.subarray(8)), "DATA on no stream");
  });

  test("[H2-10] curl, without an upgrade (1 call)", { skip: noCurl }, async () => {
    const { stdout } = await run(
      "curl",
      [
        ...["-sS", "--http2-prior-knowledge", "-i", "--data-binary", `@${body}`],
        ...["-H", "content-type: application/grpc", "-H", "te: trailers", "--max-time", "20"],
        `http://${endpoint}${HEALTH.check.path}`,
      ],
      { encoding: "latin1", timeout: 120_000 },
    );
    assert.match(stdout, /^HTTP\/2 200 \r\ncontent-type: application\/grpc\r\n\r\n/);
    assert.ok(stdout.includes(HEALTHY.toString("latin1")), JSON.stringify(stdout));
    assert.match(stdout, /grpc-status: 0\r\n/);
  });

  test(
    "[H2-10] nghttp, with priorities, padding and a table of no size (1 call)",
    { skip: noNghttp },
    async () => {
      const { stdout } = await run(
        "nghttp",
        [
          ...["-v", "--padding=100", "--header-table-size=0", "-d", body, "-t", "20"],
          ...["-H", "content-type: application/grpc", "-H", "te: trailers"],
          `http://${endpoint}${HEALTH.check.path}`,
        ],
        { encoding: "latin1", timeout: 120_000 },
      );
      assert.match(stdout, /:status: 200/);
      assert.match(stdout, /grpc-status: 0/);
      assert.doesNotMatch(stdout, /(?<!NO_)ERROR|RST_STREAM/);
    },
  );

  test(
    "[H2-10] h2load: every one of 40,000 calls is answered (4 connections, 100 in flight on each)",
    { skip: noH2load },
    async () => {
      const { stdout } = await run(
        "h2load",
        [
          ...["-n", "40000", "-c", "4", "-m", "100", "-d", body],
          ...["-H", "content-type: application/grpc", "-H", "te: trailers"],
          `http://${endpoint}${HEALTH.check.path}`,
        ],
        { timeout: 240_000 },
      );
      assert.match(stdout, /40000 done, 40000 succeeded, 0 failed, 0 errored, 0 timeout/);
    },
  );
});
