/**
 * The messages of the native protocol and their binary form. A connection starts with `MAGIC` from the client; then
 * both sides send frames: a 32-bit length, then one message.
 *
 * Rules: NAT-1 a frame longer than the limit, or bytes that are no message, end the connection with PROTOCOL. NAT-2 ids
 * are the client's; each request gets one reply, each watch one `watchEnded` at most. NAT-3 a server sends at most
 * `WATCH_WINDOW` batches of a watch that the client has not acknowledged.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Codec } from "../../base/codec.ts";
import {
  booleanCodec,
  bytesCodec,
  intCodec,
  listOf,
  oneOf,
  optional,
  shared,
  struct,
  textCodec,
  uintCodec,
  union,
} from "../../base/codec.ts";
import type { Failure } from "../../base/errors.ts";
import type { WatchBatch, WatchEvent, WatchRequest } from "../../contract/keyspace.ts";
import {
  callerStampCodec,
  decodeReply,
  encodeReply,
  failureCodec,
  keyValueCodec,
  requestCodec,
  requestKindCodec,
} from "../../contract/request-codec.ts";
import type { ClusterOrder } from "../../contract/cluster.ts";
import type { CallerStamp, Reply, Request } from "../../contract/requests.ts";
import type { OrderReply } from "./cluster-orders.ts";
import { orderCodec, orderReplyCodec } from "./cluster-orders.ts";

/** First bytes of a native connection. No HTTP request starts with a zero byte. */
export const MAGIC: Bytes = "\0QUORA1\n" as Bytes;
/** The longest frame a client may send. */
export const REQUEST_FRAME_BYTES_MAX: number = 4 << 20;
/** The longest frame a server may send. */
export const REPLY_FRAME_BYTES_MAX: number = 256 << 20;
/** Batches of one watch that may be on their way unacknowledged. */
export const WATCH_WINDOW = 64;

export type ClientMessage =
  | { readonly kind: "hello"; readonly program: string; readonly version: string }
  | {
      readonly kind: "request";
      readonly id: number;
      readonly request: Request;
      readonly caller?: CallerStamp | undefined;
    }
  | { readonly kind: "watchOpen"; readonly id: number; readonly request: WatchRequest }
  /** This many more batches of the watch have been taken. */
  | { readonly kind: "watchTaken"; readonly id: number; readonly batches: number }
  | { readonly kind: "watchProgress"; readonly id: number }
  | { readonly kind: "watchCancel"; readonly id: number }
  | { readonly kind: "ping" }
  /** Asks for the whole present state, to be kept as a file. */
  | { readonly kind: "snapshotOpen"; readonly id: number }
  /** Who this is. What is sent after it is asked by that user, or refused if the password is not theirs. */
  | { readonly kind: "authenticate"; readonly user: string; readonly password: string }
  /** Something about the members of the cluster. */
  | { readonly kind: "order"; readonly id: number; readonly order: ClusterOrder };

export type ServerMessage =
  | {
      readonly kind: "hello";
      readonly version: string;
      readonly cluster: string;
      readonly procedures: readonly string[];
    }
  | {
      readonly kind: "reply";
      readonly id: number;
      readonly of: Request["kind"];
      readonly reply: Reply;
    }
  | { readonly kind: "watchStarted"; readonly id: number; readonly revision: number }
  | { readonly kind: "watchBatch"; readonly id: number; readonly batch: WatchBatch }
  | { readonly kind: "watchEnded"; readonly id: number; readonly failure: Failure }
  | { readonly kind: "pong" }
  /** The server is going: no new requests; those in flight are still answered. */
  | { readonly kind: "goAway"; readonly failure: Failure }
  /** Framed records of a snapshot as they lie in a file, in order. */
  | { readonly kind: "snapshotPart"; readonly id: number; readonly bytes: Bytes }
  /** All of it has been sent, or no more comes. */
  | { readonly kind: "snapshotEnded"; readonly id: number; readonly failure?: Failure | undefined }
  /** Where clients reach the members, and the one that leads, if there is one: after a hello of version 2 and whenever it changes. */
  | {
      readonly kind: "members";
      readonly urls: readonly string[];
      readonly leaderUrls: readonly string[];
    }
  | { readonly kind: "ordered"; readonly id: number; readonly reply: OrderReply };

/** What a client says of itself that takes every message that is here. */
export const CLIENT_VERSION = "2";

const watchRequestCodec: Codec<WatchRequest> = struct<WatchRequest>({
  key: bytesCodec,
  end: optional(bytesCodec),
  startRevision: optional(intCodec),
  without: optional(oneOf(["put", "delete"])),
  prevKv: optional(booleanCodec),
  progress: optional(booleanCodec),
  fragment: optional(booleanCodec),
});
const watchEventCodec: Codec<WatchEvent> = struct<WatchEvent>({
  kind: oneOf(["put", "delete"]),
  kv: keyValueCodec,
  prevKv: optional(keyValueCodec),
});
const watchBatchCodec: Codec<WatchBatch> = shared(
  struct<WatchBatch>({
    revision: uintCodec,
    events: listOf(watchEventCodec),
    partial: booleanCodec,
  }),
);

const idOnly = struct<{ readonly id: number }>({ id: uintCodec });
const empty: Codec<object> = struct<object>({});

type RequestFrame = Omit<Extract<ClientMessage, { readonly kind: "request" }>, "kind">;
/** A struct, written out as `request-codec.ts` does it. */
const requestFrame: Codec<RequestFrame> = {
  encode: (writer, { id, request, caller }) => {
    writer.uint(id);
    requestCodec.encode(writer, request);
    writer.uint(caller === undefined ? 0 : 1);
    if (caller !== undefined) callerStampCodec.encode(writer, caller);
  },
  decode: (reader) => {
    const id = reader.uint();
    const request = requestCodec.decode(reader);
    return (reader.uint() & 1) === 0
      ? { id, request }
      : { id, request, caller: callerStampCodec.decode(reader) };
  },
};

export const clientCodec: Codec<ClientMessage> = union<ClientMessage>({
  hello: struct({ program: textCodec, version: textCodec }),
  request: requestFrame,
  watchOpen: struct<{ id: number; request: WatchRequest }>({
    id: uintCodec,
    request: watchRequestCodec,
  }),
  watchTaken: struct({ id: uintCodec, batches: uintCodec }),
  watchProgress: idOnly,
  watchCancel: idOnly,
  ping: empty,
  snapshotOpen: idOnly,
  authenticate: struct({ user: textCodec, password: textCodec }),
  order: struct({ id: uintCodec, order: orderCodec }),
} as Parameters<typeof union<ClientMessage>>[0]);

export const replyCodec: Codec<{
  readonly id: number;
  readonly of: Request["kind"];
  readonly reply: Reply;
}> = {
  encode: (writer, value) => {
    writer.uint(value.id);
    requestKindCodec.encode(writer, value.of);
    encodeReply(writer, value.of, value.reply);
  },
  decode: (reader) => {
    const id = reader.uint();
    const of = requestKindCodec.decode(reader);
    return { id, of, reply: decodeReply(reader, of) };
  },
};

export const serverCodec: Codec<ServerMessage> = union<ServerMessage>({
  hello: struct({ version: textCodec, cluster: textCodec, procedures: listOf(textCodec) }),
  reply: replyCodec,
  watchStarted: struct({ id: uintCodec, revision: uintCodec }),
  watchBatch: struct({ id: uintCodec, batch: watchBatchCodec }),
  watchEnded: struct({ id: uintCodec, failure: failureCodec }),
  pong: empty,
  goAway: struct({ failure: failureCodec }),
  snapshotPart: struct({ id: uintCodec, bytes: bytesCodec }),
  snapshotEnded: struct<{ id: number; failure?: Failure | undefined }>({
    id: uintCodec,
    failure: optional(failureCodec),
  }),
  members: struct({ urls: listOf(textCodec), leaderUrls: listOf(textCodec) }),
  ordered: struct({ id: uintCodec, reply: orderReplyCodec }),
} as Parameters<typeof union<ServerMessage>>[0]);
