/**
 * Long messages in pieces, so that whoever encodes them can do something else in between.
 *
 * A message whose list is cut may be encoded as one message for each piece of the list: the encodings, one after
 * another, are an encoding of the whole (Protocol Buffers, "merging"). Leaves out: lists inside other messages.
 */
import type { Field, Message } from "./protobuf.ts";

/** What one piece may hold, about: some milliseconds of work. */
const PIECE_BYTES: number = 256 << 10;
/** What an element costs apart from its strings. */
const ELEMENT_BYTES = 64;
/** Shorter lists are cut for the bytes in them only. */
const LONG = 256;

type Given = Readonly<Record<string, unknown>>;

/** About how long an element of the list `field` is. */
function sizer(field: Field<unknown>): (element: unknown) => number {
  const names = (field.message?.fields ?? [])
    .filter(([, each]) => each.type === "bytes" || each.type === "string")
    .map(([name]) => name);
  return (element) => {
    const given = element as Given;
    let bytes = ELEMENT_BYTES;
    for (const name of names) bytes += (given[name] as string | undefined)?.length ?? 0;
    return bytes;
  };
}

/** The list that makes a message long. */
export interface LongList {
  readonly name: string;
  readonly field: Field<unknown>;
}

/** Undefined: `value` can be encoded at once. */
export function longList(of: Message<object>, value: object): LongList | undefined {
  const given = value as Given;
  for (const [name, field] of of.fields) {
    if (!field.repeated || field.type !== "message") continue;
    const list = (given[name] ?? []) as readonly unknown[];
    if (list.length === 0) continue;
    if (list.length > LONG) return { name, field };
    const sizeOf = sizer(field);
    const bytes = list.reduce<number>((sum, each) => sum + sizeOf(each), 0);
    if (bytes > PIECE_BYTES) return { name, field };
  }
  return undefined;
}

/** The long list of `value`, cut so that no piece is long, unless it is one element. */
export function* pieces({ name, field }: LongList, value: object): Generator<readonly unknown[]> {
  const list = (value as Given)[name] as readonly unknown[];
  const sizeOf = sizer(field);
  let start = 0;
  let bytes = 0;
  for (let at = 0; at < list.length; at++) {
    const size = sizeOf(list[at]);
    if (bytes > 0 && bytes + size > PIECE_BYTES) {
      yield list.slice(start, at);
      start = at;
      bytes = 0;
    }
    bytes += size;
  }
  if (start < list.length) yield list.slice(start);
}

/** The encoding of `value` in pieces. */
export function* encodedPieces(
  of: Message<object>,
  value: object,
  long: LongList,
): Generator<Uint8Array> {
  yield of.encode({ ...value, [long.name]: undefined });
  for (const piece of pieces(long, value)) yield of.encode({ [long.name]: piece });
}
