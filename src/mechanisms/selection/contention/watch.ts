/** The transitions of a contended object as typed events, in commit order. */
import type { Bytes } from "../../../base/bytes.ts";
import type { WatchEvent } from "../../../contract/keyspace.ts";
import { attended } from "./attended.ts";
import type { Contended } from "./contended.ts";
import type { SeenRecord } from "./layout.ts";
import { decodeRecord, describe, isContender, prefixEnd } from "./layout.ts";

export interface Transition {
  readonly kind: "joined" | "changed" | "left";
  readonly revision: number;
  readonly key: string;
  readonly who: string;
  readonly record: SeenRecord;
}

/** Follows the object until `signal` aborts. Bound: as `Keyspace.watch`; nothing is dropped. */
export function transitions(
  on: Contended,
  signal?: AbortSignal | undefined,
): AsyncGenerator<Transition, void> {
  return attended(on.plane, follow(on, signal));
}

async function* follow(
  on: Contended,
  signal: AbortSignal | undefined,
): AsyncGenerator<Transition, void> {
  const { keyspace, prefix } = on.plane;
  const from = (prefix + on.prefix) as Bytes;
  for await (const batch of keyspace.watch(
    { key: from, end: prefixEnd(from), prevKv: true },
    { signal },
  )) {
    for (const event of batch.events) {
      const key = event.kv.key.slice(prefix.length) as Bytes;
      if (isContender(on.prefix, key)) yield transitionOf(event, key);
    }
  }
}

function transitionOf(event: WatchEvent, key: string): Transition {
  const kv = event.kind === "put" ? event.kv : (event.prevKv ?? event.kv);
  const record = decodeRecord(kv);
  const kind = event.kind === "delete" ? "left" : event.kv.version === 1 ? "joined" : "changed";
  return { kind, revision: event.kv.modRevision, key, who: describe(record, key), record };
}
