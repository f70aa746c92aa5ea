/**
 * `Maintenance/Snapshot`: the present state, streamed, in our own form of a snapshot file.
 *
 * Invariants: I1 what a client has written down once the stream ended well is a file that `quorate snapshot restore`
 * takes. I2 the hash of all that was sent comes last, as etcd's clients expect. I3 the state is read at one revision,
 * piece by piece as the client reads.
 * Deviation: how much remains is an estimate, because the length of a snapshot is not known before it is made.
 */
import { fromArray } from "../../base/bytes.ts";
import { sealPadding } from "../../driver/snapshot-files.ts";
import { CARE } from "../../wire/etcd/cluster.ts";
import type { SnapshotResponse } from "../../wire/etcd/cluster.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { StreamMethod } from "../grpc/method.ts";
import { serverStream } from "../grpc/server-stream.ts";
import type { EtcdContext } from "./context.ts";

/** What one message carries at most: any client takes that. */
const BLOB_BYTES_MAX: number = 1 << 20;

export function snapshotMethods(
  context: EtcdContext,
): readonly (readonly [string, StreamMethod])[] {
  return [serverStream(CARE.snapshot, (_request, send, signal) => snapshot(context, send, signal))];
}

async function snapshot(
  context: EtcdContext,
  send: (message: Init<SnapshotResponse>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { bytes, revision } = context.driver.status();
  const header = context.header(revision);
  const digest = context.sha256();
  let sent = 0;
  const sendAll = async (piece: Uint8Array): Promise<void> => {
    digest.add(piece);
    for (let from = 0; from < piece.length; from += BLOB_BYTES_MAX) {
      if (signal.aborted) throw new RpcStatus(GRPC.cancelled, "context canceled");
      const to = Math.min(piece.length, from + BLOB_BYTES_MAX);
      sent += to - from;
      const remainingBytes = Math.max(1, bytes - sent);
      await send({ header, remainingBytes, blob: fromArray(piece, from, to) });
    }
  };
  await context.driver.snapshot(sendAll);
  await sendAll(sealPadding(sent));
  await send({ header, blob: fromArray(digest.take()) });
}
