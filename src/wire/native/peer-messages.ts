/**
 * What members of a cluster say to each other, as bytes: the messages of the Raft machine.
 *
 * Who speaks and who is spoken to is the connection's, not the message's: a peer cannot speak for another. Entries of
 * one message follow each other, so only the first index is there. A configuration is looked at here, so that what the
 * machine gets can be read.
 * Rules: PEER-1 every message comes back as it was. PEER-2 other bytes are Malformed, and nothing else.
 */
import type { ByteReader, ByteWriter, Codec } from "../../base/codec.ts";
import {
  arrayCodec,
  booleanCodec,
  Malformed,
  oneOf,
  struct,
  uintCodec,
  union,
} from "../../base/codec.ts";
import {
  configurationCodec,
  decodeConfiguration,
} from "../../protocols/agreement/raft/configuration.ts";
import type {
  Entry,
  EntryKind,
  MemberId,
  Message,
  MessageBody,
  SnapshotMeta,
} from "../../protocols/agreement/raft/messages.ts";

/** The longest frame between members: an append may hold one entry of any admitted size. */
export const PEER_FRAME_BYTES_MAX: number = 64 << 20;

type BodyOf<K extends MessageBody["kind"]> = Omit<
  Extract<MessageBody, { readonly kind: K }>,
  "kind"
>;

const kindCodec: Codec<EntryKind> = oneOf<EntryKind>(["noop", "data", "config"]);

const appendCodec: Codec<BodyOf<"append">> = {
  encode: (writer, { prevIndex, prevTerm, entries, commit }) => {
    writer.uint(prevIndex);
    writer.uint(prevTerm);
    writer.uint(commit);
    writer.uint(entries.length);
    for (const { term, kind, data } of entries) {
      writer.uint(term);
      kindCodec.encode(writer, kind);
      arrayCodec.encode(writer, data);
    }
  },
  decode: (reader) => {
    const prevIndex = reader.uint();
    const prevTerm = reader.uint();
    const commit = reader.uint();
    const count = reader.uint();
    if (prevIndex + count > Number.MAX_SAFE_INTEGER) throw new Malformed("an index beyond 2^53");
    const entries: Entry[] = [];
    for (let at = 1; at <= count; at++) entries.push(readEntry(reader, prevIndex + at));
    return { prevIndex, prevTerm, entries, commit };
  },
};

function readEntry(reader: ByteReader, index: number): Entry {
  const term = reader.uint();
  const kind = kindCodec.decode(reader);
  const data = arrayCodec.decode(reader);
  if (kind === "config") decodeConfiguration(data);
  return { index, term, kind, data };
}

const snapshotCodec: Codec<SnapshotMeta> = struct<SnapshotMeta>({
  index: uintCodec,
  term: uintCodec,
  source: uintCodec,
  config: configurationCodec,
});

const logEnd = { lastIndex: uintCodec, lastTerm: uintCodec };
const granted: Codec<BodyOf<"voteReply">> = struct({ granted: booleanCodec });
const empty: Codec<object> = struct<object>({});

/** The order of the cases is the format: a new kind goes to the end. */
const bodyCodec: Codec<MessageBody> = union<MessageBody>({
  preVote: struct<BodyOf<"preVote">>(logEnd),
  preVoteReply: granted,
  vote: struct<BodyOf<"vote">>({ ...logEnd, transfer: booleanCodec }),
  voteReply: granted,
  append: appendCodec,
  appendReply: struct<BodyOf<"appendReply">>({ index: uintCodec }),
  appendRefused: struct<BodyOf<"appendRefused">>({
    prevIndex: uintCodec,
    hintIndex: uintCodec,
    hintTerm: uintCodec,
  }),
  heartbeat: struct<BodyOf<"heartbeat">>({ commit: uintCodec, round: uintCodec }),
  heartbeatReply: struct<BodyOf<"heartbeatReply">>({ round: uintCodec }),
  chunk: struct<BodyOf<"chunk">>({
    snapshot: snapshotCodec,
    offset: uintCodec,
    data: arrayCodec,
    last: booleanCodec,
  }),
  chunkReply: struct<BodyOf<"chunkReply">>({ index: uintCodec, next: uintCodec }),
  timeoutNow: empty,
  outdated: empty,
} as Parameters<typeof union<MessageBody>>[0]);

/** With these a member may tell its wall clock. */
export const TELLING: ReadonlySet<MessageBody["kind"]> = new Set(["voteReply", "heartbeatReply"]);

/** The codec of one direction of a connection between two members. */
export function peerCodec(from: MemberId, to: MemberId): Codec<Message> {
  return {
    encode: (writer: ByteWriter, message: Message): void => {
      writer.uint(message.term);
      bodyCodec.encode(writer, message);
      // What is told goes behind, from format 3 on: the format before ends here.
      if (message.wallMs !== undefined) writer.uint(Math.max(0, Math.round(message.wallMs)));
    },
    decode: (reader: ByteReader): Message => {
      const term = reader.uint();
      const message = { from, to, term, ...bodyCodec.decode(reader) } as Message;
      if (reader.done || !TELLING.has(message.kind)) return message;
      return { ...message, wallMs: reader.uint() };
    },
  };
}
