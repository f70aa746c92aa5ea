/**
 * The stored number of permits of a semaphore, which counts whatever its users say.
 *
 * A plain number until it is changed while somebody owns; then JSON that names the youngest of those who did.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text, utf8 } from "../../../base/bytes.ts";
import type { Tx } from "../../../contract/procedure.ts";
import { fieldsOf, integerIn } from "./fields.ts";
import { isNewer, newerLayout } from "./layout.ts";
import type { Rule } from "./rules.ts";

type Permits = Rule & { readonly kind: "permits" };

/** A further `/`, so it does not contend. */
export function permitsKey(prefix: string): Bytes {
  return `${prefix}policy/permits` as Bytes;
}

/** The stored rule; undefined before the first use. Throws LAYOUT for what a later version has stored. */
export function storedPermits(tx: Tx, prefix: Bytes): Permits | undefined {
  const kv = tx.get(permitsKey(prefix));
  if (kv === undefined) return undefined;
  if (isNewer(kv)) throw newerLayout(`permits ${text(kv.key)}`);
  const plain = Number(kv.value);
  const given = fieldsOf(kv.value);
  const permits = Number.isNaN(plain) ? integerIn(given, "permits") : plain;
  if (permits === undefined || !Number.isSafeInteger(permits) || permits < 1) return undefined;
  return { kind: "permits", permits, kept: integerIn(given, "kept") };
}

export function storePermits(tx: Tx, prefix: Bytes, { permits, kept = 0 }: Permits): void {
  const value = kept === 0 ? permits : { layout: 1, permits, kept };
  tx.put(permitsKey(prefix), utf8(JSON.stringify(value)));
}
