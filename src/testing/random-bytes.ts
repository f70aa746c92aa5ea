/** Bytes and UUIDs from a machine's generator, in the forms that Node's crypto gives them. */
import type { Prng } from "../base/prng.ts";

export function randomFill<T extends ArrayBufferView>(random: Prng, into: T): T {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  for (let at = 0; at < bytes.length; at++) bytes[at] = random.below(256);
  return into;
}

/** A UUID of version 4. */
export function hexUuid(random: Prng): string {
  const bytes = randomFill(random, Buffer.alloc(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
