/**
 * The latch in the keyspace: one record, one step to count down.
 *
 * Cost: `countDown` reads and writes one key.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text, utf8 } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Procedure } from "../../../contract/procedure.ts";
import { procedure } from "../../../contract/procedure.ts";

/** What a latch's key says. */
export interface LatchState {
  readonly layout: 1;
  /** How many are still missing; at 0 it is open. */
  readonly count: number;
  /** With how many it began. */
  readonly of: number;
}

/** Reads a latch's record. Throws LAYOUT for what this version cannot know. */
export function decodeLatch(key: string, value: Bytes): LatchState {
  const read = parsed(value);
  const { layout, count, of } = read;
  if (layout === 1 && typeof count === "number" && typeof of === "number")
    return { layout, count, of };
  throw fail("LAYOUT", {
    object: `latch ${text(key as Bytes)}`,
    what: "was written in a layout that this version does not know",
    remedy: "Use the version that wrote it, or a newer one.",
  });
}

function parsed(value: Bytes): Partial<LatchState> {
  try {
    const read: unknown = JSON.parse(text(value));
    return typeof read === "object" && read !== null ? (read as Partial<LatchState>) : {};
  } catch {
    return {};
  }
}

export interface CountDownArgs {
  readonly key: string;
  /** With how many a new latch begins. */
  readonly count: number;
  readonly by: number;
}

/** Counts down; below 0 it does not go, and an open latch stays as it is. */
export const countDown: Procedure<CountDownArgs, { readonly count: number }> = procedure(
  "selection/latch/count-down@1",
  (tx, args) => {
    const key = args.key as Bytes;
    const kv = tx.get(key);
    const { count, of } =
      kv === undefined ? { count: args.count, of: args.count } : decodeLatch(key, kv.value);
    if (count === 0) return { count };
    const left = Math.max(0, count - args.by);
    tx.put(key, utf8(JSON.stringify({ layout: 1, count: left, of })));
    return { count: left };
  },
  (args) => args.key,
);
