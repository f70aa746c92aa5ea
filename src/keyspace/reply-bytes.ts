/**
 * How many bytes a stored reply takes in a log entry, or a few more: what is kept for a caller is part of what its
 * command writes, and a transaction's limits must hold for it too.
 */
import { utf8 } from "../base/bytes.ts";
import type { Reply } from "../contract/requests.ts";

/** The longest reply that is kept; a command with a longer one can only be sent without a stamp. */
export const REPLY_BYTES_MAX: number = 4 << 20;
/** More than any number, length or flag takes. */
const SCALAR_BYTES = 9;

/** Cost: proportional to the reply. */
export function replyBytes(reply: Reply): number {
  return reply.ok ? shapeBytes(reply.response) : utf8(JSON.stringify(reply.failure)).length;
}

function shapeBytes(value: unknown): number {
  if (typeof value === "string") return SCALAR_BYTES + value.length;
  if (typeof value !== "object" || value === null) return SCALAR_BYTES;
  let bytes = SCALAR_BYTES;
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name in fields) bytes += shapeBytes(fields[name]);
  return bytes;
}
