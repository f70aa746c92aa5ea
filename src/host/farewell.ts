/**
 * The end of a connection, said by this side: the other has a moment to read why, and to end too. What it goes on to send
 * is dropped, beyond a little not even read: reading it as fast as it comes is work for nothing, and collections.
 */
import type { Socket } from "node:net";

/** How long the other side has, ms. */
const MOMENT_MS = 1_000;
/** What may have been on its way. */
const LATE_BYTES: number = 64 << 10;

/** Ends `socket` after what is queued. */
export function farewell(socket: Socket): void {
  let left = LATE_BYTES;
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.pause();
  });
  const late = setTimeout(() => socket.destroy(), MOMENT_MS);
  late.unref();
  socket.once("close", () => clearTimeout(late));
  socket.end();
}
