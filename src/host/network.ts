/** Node's sockets as byte streams: TCP and local sockets. */
import type { Socket } from "node:net";
import { connect } from "node:net";
import { fail } from "../base/errors.ts";
import type { Address, ByteStream, Network, StreamHandler } from "../ports/network.ts";
import { farewell } from "./farewell.ts";

/** Silence after which the system asks the other side for a sign. */
const KEEPALIVE_MS = 30_000;

/** Makes a stream of an open socket; `attach` gets it before any byte arrives. */
export function streamOf(
  socket: Socket,
  peer: string,
  attach: (stream: ByteStream) => StreamHandler,
): ByteStream {
  socket.setNoDelay(true);
  // A peer that vanished without a word is noticed in the end, also by a side that only listens.
  socket.setKeepAlive(true, KEEPALIVE_MS);
  const stream: ByteStream = {
    peer,
    write: (bytes) => socket.write(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    keepAlive: (hold) => void (hold ? socket.ref() : socket.unref()),
    destroy: () => void socket.destroy(),
    end: () => farewell(socket),
  };
  const handler = attach(stream);
  let reason: Error | undefined;
  socket.on("data", (chunk: Buffer) => handler.received(chunk));
  socket.on("drain", () => handler.drained());
  socket.on("error", (error) => {
    reason = error;
  });
  socket.on("close", () => handler.closed(reason));
  return stream;
}

export function addressText(address: Address): string {
  return address.kind === "tcp" ? `${address.host}:${address.port}` : address.path;
}

/** Waits until `socket` is ready, which it says by the event `ready`, and makes a stream of it. */
export function opened(
  socket: Socket,
  ready: "connect" | "secureConnect",
  peer: string,
  attach: (stream: ByteStream) => StreamHandler,
  signal: AbortSignal | undefined,
): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown): void => {
      socket.destroy();
      reject(unreachable(peer, cause));
    };
    const onAbort = (): void => refuse(signal?.reason);
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("error", refuse);
    socket.once(ready, () => {
      signal?.removeEventListener("abort", onAbort);
      socket.removeListener("error", refuse);
      resolve(streamOf(socket, peer, attach));
    });
  });
}

function unreachable(peer: string, cause: unknown): Error {
  return fail(
    "UNAVAILABLE",
    {
      object: `server ${peer}`,
      what: `cannot be reached${cause instanceof Error ? `: ${cause.message}` : ""}`,
      remedy: "Check that a Quorate server listens there.",
      outcome: "definite",
    },
    cause,
  );
}

export const hostNetwork: Network = {
  dial: (address, attach, signal) => {
    const socket =
      address.kind === "tcp"
        ? connect({ host: address.host, port: address.port })
        : connect({ path: address.path });
    return opened(socket, "connect", addressText(address), attach, signal);
  },
};
