/**
 * Many watchers of one key over the native protocol, without the SDK: as for etcd's side, messages are counted and not
 * looked at, because in reality each watcher would be a process of its own.
 */
import type { Socket } from "node:net";
import { connect } from "node:net";
import { toArray } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { FrameWriter } from "../../src/wire/native/framing.ts";
import type { ClientMessage } from "../../src/wire/native/messages.ts";
import {
  clientCodec,
  MAGIC,
  REQUEST_FRAME_BYTES_MAX,
  WATCH_WINDOW,
} from "../../src/wire/native/messages.ts";
import { KEY, WATCH_CONNECTIONS, WATCHERS } from "../workload.ts";
import type { Job } from "./closed-loop.ts";

const PER_CONNECTION = WATCHERS / WATCH_CONNECTIONS;
/** Rounds after which batches are acknowledged, well before the server would stop sending. */
const ACKNOWLEDGED_EVERY = WATCH_WINDOW / 2;

export interface Watchers {
  /** Resolves when each of them has been told once more. */
  all(): Promise<void>;
  close(): void;
}

export async function openWatchers({ host, port }: Job): Promise<Watchers> {
  let told = 0;
  let rounds = 0;
  let due: () => void = () => {};
  const sockets: Socket[] = [];
  const all = (): Promise<void> =>
    new Promise((done) => {
      told = 0;
      due = done;
    });
  // A hello for each connection, then one message for each watch that it stands.
  const greeted = all();
  told = -WATCH_CONNECTIONS;
  for (let at = 0; at < WATCH_CONNECTIONS; at++) {
    const socket = connect(port, host);
    sockets.push(socket);
    countFrames(socket, () => {
      if (++told === WATCHERS) due();
    });
    socket.write(toArray(MAGIC));
    socket.write(messages((id) => ({ kind: "watchOpen", id, request: { key: KEY as Bytes } })));
  }
  await greeted;
  const taken = messages((id) => ({ kind: "watchTaken", id, batches: ACKNOWLEDGED_EVERY }));
  return {
    all: () => {
      if (rounds++ % ACKNOWLEDGED_EVERY === ACKNOWLEDGED_EVERY - 1)
        for (const socket of sockets) socket.write(taken);
      return all();
    },
    close: () => sockets.forEach((socket) => socket.destroy()),
  };
}

/** One message for each watch of a connection. */
function messages(of: (id: number) => ClientMessage): Uint8Array {
  const writer = new FrameWriter<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
  for (let id = 1; id <= PER_CONNECTION; id++) writer.add(of(id));
  return writer.take();
}

function countFrames(socket: Socket, each: () => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 4 && rest.length - at >= 4 + rest.readUInt32BE(at)) {
      at += 4 + rest.readUInt32BE(at);
      each();
    }
    rest = rest.subarray(at);
  });
}
