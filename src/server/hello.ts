/**
 * The first message of a TLS handshake: until all of it has come, a connection costs its bytes and nothing of TLS.
 * Source: RFC 8446, §5.1 (records). Leaves out: what the message says, and a message in several records.
 */
import type { Socket } from "node:net";

const HANDSHAKE = 22;
const HEAD_BYTES = 5;
/** The longest record. */
const RECORD_BYTES_MAX: number = HEAD_BYTES + (1 << 14);

/** Calls `whole` when the first record of `socket` has come, which is then still to be read from it. */
export function greeted(socket: Socket, whole: () => void): void {
  let read: Buffer = Buffer.alloc(0);
  const look = (chunk: Buffer): void => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    if (!isWhole(read)) return;
    socket.off("data", look);
    socket.pause();
    socket.unshift(read);
    whole();
  };
  socket.on("data", look);
}

/** What is no handshake, or none that is allowed, is whole too: the library refuses it. */
function isWhole(read: Buffer): boolean {
  if (read[0] !== HANDSHAKE) return true;
  if (read.length < HEAD_BYTES) return false;
  return read.length >= Math.min(RECORD_BYTES_MAX, HEAD_BYTES + read.readUInt16BE(3));
}
