/**
 * Which protocol a connection speaks, by its first bytes: zero is native or, by the sixth byte, between members; `PRI` is
 * HTTP/2, the rest is HTTP/1.
 */
import type { Socket } from "node:net";
import { PEER_MAGIC } from "../wire/native/peer-handshake.ts";

export type Protocol = "native" | "peer" | "http2" | "http1";

/** A connection that has not said what it speaks after this long is closed. */
const GREETING_MS = 10_000;
const PREFACE = "PRI";
const TLS_HANDSHAKE = 22;

/** Waits until the protocol is known; `first` is all that was read for it. */
export function greet(socket: Socket, known: (protocol: Protocol, first: Buffer) => void): void {
  const silent = setTimeout(() => socket.destroy(), GREETING_MS);
  silent.unref();
  socket.once("close", () => clearTimeout(silent));
  let read: Buffer = Buffer.alloc(0);
  const look = (chunk: Buffer): void => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    // A handshake where TLS is not spoken, or twice: nothing that is said here would be understood.
    if (read[0] === TLS_HANDSHAKE) return void socket.destroy();
    const protocol = protocolOf(read);
    if (protocol === undefined) return;
    clearTimeout(silent);
    socket.off("data", look);
    known(protocol, read);
  };
  socket.on("data", look);
}

/** undefined: more bytes are needed to tell. */
function protocolOf(read: Buffer): Protocol | undefined {
  if (read[0] === 0) return nativeOf(read);
  const start = read.toString("latin1", 0, PREFACE.length);
  if (start === PREFACE) return "http2";
  return PREFACE.startsWith(start) ? undefined : "http1";
}

/** Both begin alike, up to the letter that tells them apart. */
function nativeOf(read: Buffer): Protocol | undefined {
  const apart = PEER_MAGIC.indexOf("P") + 1;
  const start = read.toString("latin1", 0, apart);
  if (!PEER_MAGIC.startsWith(start)) return "native";
  return start.length === apart ? "peer" : undefined;
}
