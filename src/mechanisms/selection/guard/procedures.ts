/**
 * The guard in the keyspace: the highest token that was admitted, and whose.
 *
 * Cost: one key read; written only when the token is higher.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { utf8 } from "../../../base/bytes.ts";
import type { Procedure } from "../../../contract/procedure.ts";
import { procedure } from "../../../contract/procedure.ts";
import { fieldsOf, integerIn, stringIn } from "../contention/fields.ts";
import { newerLayout } from "../contention/layout.ts";
import type { Guarded } from "./guard.ts";
import { accepts, staleToken } from "./guard.ts";

/** Reads a guard's record. Throws LAYOUT for what this version cannot know. */
export function decodeGuarded(object: string, value: Bytes): Guarded {
  const given = fieldsOf(value);
  const token = integerIn(given, "token");
  const holder = stringIn(given, "holder");
  if (given.get("layout") !== 1 || token === undefined || holder === undefined)
    throw newerLayout(object);
  return { token, holder };
}

export interface AdmitArgs {
  readonly key: string;
  /** For messages: `guard report`. */
  readonly object: string;
  readonly token: number;
  readonly holder: string;
}

/** Admits an owner. Throws STALE_TOKEN (definite) for one that has been replaced. */
export const admit: Procedure<AdmitArgs, null> = procedure(
  "selection/guard/admit@1",
  (tx, { key, object, token, holder }) => {
    const kv = tx.get(key as Bytes);
    const last = kv === undefined ? undefined : decodeGuarded(object, kv.value);
    if (!accepts(last, token, holder)) throw staleToken(object, token, holder, last);
    if (token !== last?.token)
      tx.put(key as Bytes, utf8(JSON.stringify({ layout: 1, token, holder })));
    return null;
  },
  ({ key }) => key,
);
