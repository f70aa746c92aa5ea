/** Node's sockets as byte streams: TCP and local sockets. */
import type { Socket } from "node:net";
import { connect } from "node:net";
import { fail } from "../base/errors.ts";
import type { Address, ByteStream, Network, StreamHandler } from "../ports/network.ts";

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
    end: () => void socket.end(),
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

export const hostNetwork: Network = {
  dial: (address, attach, signal) =>
    new Promise((resolve, reject) => {
      const peer = addressText(address);
      const socket =
        address.kind === "tcp"
          ? connect({ host: address.host, port: address.port })
          : connect({ path: address.path });
      const refuse = (cause: unknown): void => {
        socket.destroy();
        reject(
          fail(
            "UNAVAILABLE",
            {
              object: `server ${peer}`,
              what: `cannot be reached${cause instanceof Error ? `: ${cause.message}` : ""}`,
              remedy: "Check that it runs and that the address is right.",
              outcome: "definite",
            },
            cause,
          ),
        );
      };
      const onAbort = (): void => refuse(signal?.reason);
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      socket.once("error", refuse);
      socket.once("connect", () => {
        signal?.removeEventListener("abort", onAbort);
        socket.removeListener("error", refuse);
        resolve(streamOf(socket, peer, attach));
      });
    }),
};
