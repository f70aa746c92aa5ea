/** Who has dialled a member, as the first bytes of the connection tell: Quorate's handshake names it, etcd's requests its id. */
import { FrameReader } from "../../src/wire/native/framing.ts";
import type { PeerOpening } from "../../src/wire/native/peer-handshake.ts";
import {
  HANDSHAKE_BYTES_MAX,
  openingCodec,
  PEER_MAGIC,
} from "../../src/wire/native/peer-handshake.ts";

/** Somebody who does not say, as who only asks who the members are. */
export const STRANGER = "";
const MAGIC = Buffer.from(PEER_MAGIC, "latin1");

/** Of `first`, all that has come so far; undefined: too little. */
export function diallerIn(first: Buffer): string | undefined {
  const isNative = first.subarray(0, MAGIC.length).equals(MAGIC.subarray(0, first.length));
  if (!isNative) return diallerOfEtcd(first.toString("latin1"));
  if (first.length < MAGIC.length) return undefined;
  const reader = new FrameReader<PeerOpening>(openingCodec, HANDSHAKE_BYTES_MAX);
  reader.push(first.subarray(MAGIC.length));
  let found: string | undefined;
  reader.take((opening) => {
    found = opening.kind === "hello" ? opening.name : STRANGER;
    return false;
  });
  return found;
}

function diallerOfEtcd(head: string): string | undefined {
  if (!head.includes("\r\n\r\n")) return undefined;
  return /^x-server-from: *([0-9a-f]+)/im.exec(head)?.[1] ?? STRANGER;
}
