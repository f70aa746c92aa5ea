/**
 * The fields of a message that can name a key or a lease, found in the message itself: whoever adds one must bring it
 * into the matrix.
 */
import type { Message } from "../../src/wire/protobuf.ts";

/** Bytes and ids that name nothing: what is stored, and what is compared with. */
const NAMELESS = /(^|\.)value$|(^|\.)compare\.lease$|(^|\.)(memberId|targetId)$/;
/** A transaction in a transaction is as good as one further in. */
const TXNS_MAX = 2;

/** The paths of all such fields. */
export function fieldsOf(
  message: Message<object>,
  path = "",
  within: Message<object>[] = [],
): string[] {
  if (within.filter((each) => each === message).length >= TXNS_MAX) return [];
  return message.fields.flatMap(([name, field]) => {
    const own = path === "" ? name : `${path}.${name}`;
    if (field.message !== undefined) return fieldsOf(field.message, own, [...within, message]);
    const names = (field.type === "bytes" || field.type === "big64") && !NAMELESS.test(own);
    return names ? [own] : [];
  });
}

/** The paths of those that `value` uses. */
export function usedBy(message: Message<object>, value: object, path = ""): string[] {
  return message.fields.flatMap(([name, field]) => {
    const own = path === "" ? name : `${path}.${name}`;
    const given = (value as Readonly<Record<string, unknown>>)[name];
    const each = (field.repeated ? (given ?? []) : [given]) as readonly unknown[];
    return each.flatMap((one) => {
      if (one === undefined) return [];
      const inner = field.message;
      if (inner !== undefined) return usedBy(inner, one as object, own);
      return one === field.zero || one === "" ? [] : [own];
    });
  });
}
