/**
 * The hostile clients of `bench -- floods`, each in a process of its own. It says `begun` before its first connection and
 * `established` when the flood stands; it goes on until it is killed.
 */
import type { Socket } from "node:net";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTls } from "node:tls";
import { toArray } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { connect as connectSdk } from "../../src/sdk/index.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { frame } from "../../src/wire/grpc/framing.ts";
import { FrameWriter } from "../../src/wire/native/framing.ts";
import type { ClientMessage } from "../../src/wire/native/messages.ts";
import { clientCodec, MAGIC, REQUEST_FRAME_BYTES_MAX } from "../../src/wire/native/messages.ts";

export type FloodKind =
  | "handshakes"
  | "resets"
  | "writes"
  | "unread"
  | "unread-grpc"
  | "watches"
  | "watches-grpc";
/** What the parent gives as JSON in the first argument. */
export interface FloodJob {
  readonly kind: FloodKind;
  readonly host: string;
  readonly port: number;
}
export type FloodState = "begun" | "established";

const HANDSHAKES = 1_000;
const RESET_CONNECTIONS = 4;
/** Calls that are begun and reset in one write. */
const RESETS_AT_ONCE = 100;
const UNREAD_CONNECTIONS = 10;
const WATCHES = 100_000;
/** One connection takes at most 65,536. */
const WATCH_CONNECTIONS = 2;
const WRITES_PERIOD_MS = 5;
const WRITTEN_BYTES = 4 << 10;
const STREAM = "stream/";

const { kind, host, port } = JSON.parse(process.argv[2] ?? "") as FloodJob;
const say = (state: FloodState): void => void process.send?.(state);

function dial(): Socket {
  const socket = connect(port, host);
  socket.on("error", () => {});
  return socket;
}

/** The first message of a handshake, as Node says it. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const recorder = new Duplex({
      read: () => {},
      write: (chunk: Buffer) => resolve(chunk),
    });
    connectTls({ socket: recorder, rejectUnauthorized: false }).on("error", () => {});
  });
}

/**
 * Half of them stop in the middle of their first message, half after its answer; what the server ends begins anew. They stand
 * when all that was said whole is answered.
 */
async function handshakes(): Promise<void> {
  const hello = await clientHello();
  const standing = new Set<number>();
  const stands = (at: number): void => {
    if (standing.size === HANDSHAKES) return;
    if (standing.add(at).size === HANDSHAKES) say("established");
  };
  const begin = (at: number): void => {
    const isWhole = at % 2 === 0;
    const socket = dial();
    socket.resume();
    socket.once("connect", () => {
      socket.write(isWhole ? hello : hello.subarray(0, hello.length >> 1));
      if (!isWhole) stands(at);
    });
    if (isWhole) socket.once("data", () => stands(at));
    socket.once("close", () => begin(at));
  };
  for (let at = 0; at < HANDSHAKES; at++) begin(at);
}

/** HPACK without a table: a name and a value as they are. */
function literal(name: string, value: string): Buffer {
  const text = (each: string): Buffer =>
    Buffer.concat([Buffer.from([each.length]), Buffer.from(each)]);
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Calls that are begun and reset, as fast as they are taken; a connection that is ended is made anew. */
function resets(): void {
  const [HEADERS, RST_STREAM, SETTINGS, END_HEADERS, CANCEL] = [1, 3, 4, 4, 8];
  const block = Buffer.concat(
    [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", METHODS.watch.path],
      [":authority", host],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
    ].map(([name = "", value = ""]) => literal(name, value)),
  );
  const why = Buffer.alloc(4);
  why.writeUInt32BE(CANCEL);
  const begin = (): void => {
    const socket = dial();
    let stream = 1;
    socket.resume();
    const more = (): void => {
      for (;;) {
        const parts: Buffer[] = [];
        for (let at = 0; at < RESETS_AT_ONCE; at++, stream += 2)
          parts.push(
            http2Frame(HEADERS, END_HEADERS, stream, block),
            http2Frame(RST_STREAM, 0, stream, why),
          );
        if (socket.destroyed || !socket.write(Buffer.concat(parts))) return;
      }
    };
    socket.once("connect", () => {
      socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      socket.write(http2Frame(SETTINGS, 0, 0, Buffer.alloc(0)));
      more();
    });
    socket.on("drain", more);
    socket.once("close", () => setImmediate(begin));
  };
  for (let at = 0; at < RESET_CONNECTIONS; at++) begin();
  say("established");
}

/** Keys that are written at a steady rate, for others to watch: no flood. */
async function writes(): Promise<void> {
  const q = await connectSdk(`quorate://${host}:${port}`);
  const value = "x".repeat(WRITTEN_BYTES) as Bytes;
  let count = 0;
  setInterval(() => {
    const key = `${STREAM}${count++ % 10}` as Bytes;
    q.commitment.keyspace.call({ kind: "put", key, value }).catch(() => {});
  }, WRITES_PERIOD_MS);
  say("established");
}

/** Native messages behind the greeting. */
function native(messages: Iterable<ClientMessage>): Buffer {
  const writer = new FrameWriter<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
  for (const message of messages) writer.add(message);
  return Buffer.concat([toArray(MAGIC), writer.take()]);
}

/** Watches of all that is written, whose connections are never read. */
function unread(): void {
  const request = { key: STREAM as Bytes, end: "stream0" as Bytes, startRevision: 1 };
  const opening = native([{ kind: "watchOpen", id: 1, request }]);
  let connected = 0;
  for (let at = 0; at < UNREAD_CONNECTIONS; at++) {
    const socket = dial();
    socket.pause();
    socket.once("connect", () => {
      socket.write(opening);
      if (++connected === UNREAD_CONNECTIONS) say("established");
    });
  }
}

/** The head of a gRPC call. */
const WATCH_HEAD = {
  ":method": "POST",
  ":path": METHODS.watch.path,
  "content-type": "application/grpc",
  te: "trailers",
} as const;

function unreadGrpc(): void {
  let connected = 0;
  for (let at = 0; at < UNREAD_CONNECTIONS; at++) {
    const session = connectHttp2(`http://${host}:${port}`);
    session.on("error", () => {});
    const stream = session.request(WATCH_HEAD);
    stream.on("error", () => {});
    const create = { key: STREAM as Bytes, rangeEnd: "stream0" as Bytes };
    stream.write(frame(METHODS.watch.request, { create }));
    // Its data are left where they are, and with them the window.
    stream.once("response", () => {
      if (++connected === UNREAD_CONNECTIONS) say("established");
    });
  }
}

/** 100,000 watches of keys of their own. */
function watches(): void {
  const each = WATCHES / WATCH_CONNECTIONS;
  let answered = 0;
  for (let at = 0; at < WATCH_CONNECTIONS; at++) {
    const socket = dial();
    const opening = function* (): Generator<ClientMessage> {
      for (let id = 1; id <= each; id++)
        yield { kind: "watchOpen", id, request: { key: `watched/${at}/${id}` as Bytes } };
    };
    socket.once("connect", () => socket.write(native(opening())));
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      let cut = 0;
      for (; rest.length - cut >= 4 && rest.length - cut >= 4 + rest.readUInt32BE(cut);) {
        cut += 4 + rest.readUInt32BE(cut);
        // A greeting for each connection, then one message for each watch.
        if (++answered === WATCHES + WATCH_CONNECTIONS) say("established");
      }
      rest = rest.subarray(cut);
    });
  }
}

/** The same on one stream of etcd's. */
function watchesGrpc(): void {
  const session = connectHttp2(`http://${host}:${port}`, {
    settings: { initialWindowSize: 16 << 20 },
  });
  session.on("error", () => {});
  session.once("connect", () => session.setLocalWindowSize(16 << 20));
  const stream = session.request(WATCH_HEAD);
  stream.on("error", () => {});
  let rest = Buffer.alloc(0);
  let answered = 0;
  stream.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    let cut = 0;
    for (; rest.length - cut >= 5 && rest.length - cut >= 5 + rest.readUInt32BE(cut + 1);) {
      cut += 5 + rest.readUInt32BE(cut + 1);
      if (++answered === WATCHES) say("established");
    }
    rest = rest.subarray(cut);
  });
  let opened = 0;
  const more = (): void => {
    while (opened < WATCHES) {
      const create = { key: `watched/${opened++}` as Bytes };
      if (!stream.write(frame(METHODS.watch.request, { create }))) return;
    }
  };
  stream.on("drain", more);
  more();
}

const FLOODS: Readonly<Record<FloodKind, () => void | Promise<void>>> = {
  handshakes,
  resets,
  writes,
  unread,
  "unread-grpc": unreadGrpc,
  watches,
  "watches-grpc": watchesGrpc,
};

process.on("disconnect", () => process.exit());
say("begun");
await FLOODS[kind]();
