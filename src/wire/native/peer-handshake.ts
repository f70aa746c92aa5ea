/**
 * How a connection between two members begins: `PEER_MAGIC`, then one frame from whoever dials, then one answer. After
 * a welcome the dialler sends messages, or requests, to which alone there are answers. An empty frame, from either side, is
 * a sign of life.
 *
 * The form of these frames is the same in every version of the protocol, so that members of any two versions can say to
 * each other that they do not fit. What follows is of the version that both speak.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { ByteReader, ByteWriter, Codec } from "../../base/codec.ts";
import { listOf, oneOf, struct, textCodec, uintCodec, union } from "../../base/codec.ts";
import type { MemberShown } from "../../contract/cluster.ts";
import type { Formats } from "../../contract/formats.ts";
import type { MemberId, Message } from "../../protocols/agreement/raft/messages.ts";
import { memberCodec } from "./cluster-orders.ts";
import { peerCodec } from "./peer-messages.ts";

/** First bytes of a connection between members. */
export const PEER_MAGIC: Bytes = "\0QUORP1\n" as Bytes;
/** What members say to each other is of the formats that they read; the first in which there were members is version 1. */
export function peerVersions({ oldest, newest }: Formats): Formats {
  return { oldest: oldest - BEFORE_MEMBERS, newest: newest - BEFORE_MEMBERS };
}
/** The newest format that a member reads that speaks `version`. */
export function formatOf(version: number): number {
  return version + BEFORE_MEMBERS;
}
const BEFORE_MEMBERS = 1;
/** The longest frame of a handshake. */
export const HANDSHAKE_BYTES_MAX: number = 64 << 10;

/** `bulk` carries entries and snapshots in order, `prompt` everything that must not wait behind them. */
export type MessageLane = "prompt" | "bulk";
/** `requests` carries what clients ask of a member that does not lead. */
export type Lane = MessageLane | "requests";

/** An empty frame. */
export const SIGN_OF_LIFE: Uint8Array = new Uint8Array(4);

export interface PeerHello {
  readonly kind: "hello";
  readonly oldest: number;
  readonly newest: number;
  readonly cluster: string;
  readonly from: MemberId;
  /** Of the dialler's directory. */
  readonly identity: string;
  readonly name: string;
  /** Where members and clients reach the dialler. */
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** Whom it believes to reach, and by which directory it knows that member; empty: by none. */
  readonly to: MemberId;
  readonly toIdentity: string;
  readonly lane: Lane;
}

export type PeerOpening =
  | PeerHello
  /** Asks who the members are, before being one. */
  | { readonly kind: "ask" };

/** Why a member is turned away. */
export type RefusalReason =
  /** No version of the protocol in common. */
  | "version"
  /** Of another cluster. */
  | "cluster"
  /** Not whom the dialler believes to reach, or one that claims to be the member that it dials. */
  | "member"
  /** The member is known by another directory: its storage was lost or replaced. */
  | "identity"
  /** The member was removed. */
  | "removed";

export interface Refusal {
  readonly reason: RefusalReason;
  /** One sentence without a full stop, for the log of whoever is refused. */
  readonly what: string;
}

export type PeerAnswer =
  | { readonly kind: "welcome"; readonly version: number; readonly identity: string }
  | ({ readonly kind: "refused" } & Refusal)
  | {
      readonly kind: "told";
      readonly cluster: string;
      readonly members: readonly MemberShown[];
    };

const empty: Codec<object> = struct<object>({});

export const openingCodec: Codec<PeerOpening> = union<PeerOpening>({
  hello: struct<Omit<PeerHello, "kind">>({
    oldest: uintCodec,
    newest: uintCodec,
    cluster: textCodec,
    from: uintCodec,
    identity: textCodec,
    name: textCodec,
    peerUrls: listOf(textCodec),
    clientUrls: listOf(textCodec),
    to: uintCodec,
    toIdentity: textCodec,
    lane: oneOf<Lane>(["prompt", "bulk", "requests"]),
  }),
  ask: empty,
} as Parameters<typeof union<PeerOpening>>[0]);

export const answerCodec: Codec<PeerAnswer> = union<PeerAnswer>({
  welcome: struct({ version: uintCodec, identity: textCodec }),
  refused: struct({
    reason: oneOf<RefusalReason>(["version", "cluster", "member", "identity", "removed"]),
    what: textCodec,
  }),
  told: struct({ cluster: textCodec, members: listOf(memberCodec) }),
} as Parameters<typeof union<PeerAnswer>>[0]);

/** `codec` where an empty frame is a sign of life. */
export function orAlive<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    encode: (writer: ByteWriter, message: T | undefined): void => {
      if (message !== undefined) codec.encode(writer, message);
    },
    decode: (reader: ByteReader): T | undefined => (reader.done ? undefined : codec.decode(reader)),
  };
}

/** What a dialler sends after a welcome, on a lane of messages. */
export function laneCodec(from: MemberId, to: MemberId): Codec<Message | undefined> {
  return orAlive(peerCodec(from, to));
}

/** What it is sent there. */
export const quietCodec: Codec<undefined> = { encode: () => {}, decode: () => undefined };
