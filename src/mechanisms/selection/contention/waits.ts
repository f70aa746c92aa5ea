/**
 * Who waits for what while holding what: the records of the wait graph.
 *
 * A waiter that says `within` leaves, for each key that it holds, a record that names its own place. It is attached to
 * the waiter's lease and is removed when the place is left. One that stays after its place is served says nothing: a
 * place that is served waits for nobody.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { utf8 } from "../../../base/bytes.ts";
import type { Tx } from "../../../contract/procedure.ts";
import type { Fields } from "./fields.ts";
import { fieldsIn, fieldsOf, integerIn, stringIn } from "./fields.ts";
import { prefixEnd } from "./layout.ts";
import type { Rule } from "./rules.ts";

const WAITS = "selection/waits/";

/** A place in a queue. */
export interface Place {
  readonly prefix: string;
  readonly key: string;
}

/** What a record says: `held` is not released before all of `places` are served. */
export interface Wait {
  readonly layout: 1;
  readonly held: string;
  readonly places: readonly Place[];
  readonly rule: Rule;
}

/** What one who enters says of the keys that it holds meanwhile. */
export interface Within {
  readonly held: readonly string[];
  readonly places: readonly Place[];
  readonly rule: Rule;
}

/** The record of one held key; `suffix` names the waiter's place. */
export function waitsKey(held: string, suffix: string): Bytes {
  return `${WAITS}${held}/${suffix}` as Bytes;
}

/** Notes the waits of one who enters. */
export function noteWaits(tx: Tx, within: Within, suffix: string, lease: bigint): void {
  const { places, rule } = within;
  for (const held of within.held) {
    const wait: Wait = { layout: 1, held, places, rule };
    tx.put(waitsKey(held, suffix), utf8(JSON.stringify(wait)), { lease });
  }
}

/** The waits of those who hold something of the object. */
export function waitsOf(tx: Tx, prefix: Bytes): readonly Wait[] {
  const from = (WAITS + prefix) as Bytes;
  return tx.range(from, prefixEnd(from)).flatMap((kv) => waitIn(kv.value) ?? []);
}

/** What a record says; undefined if it says nothing that this version can rely on. */
function waitIn(value: Bytes): Wait | undefined {
  const given = fieldsOf(value);
  const held = stringIn(given, "held");
  const rule = ruleIn(fieldsIn(given.get("rule")));
  const places = given.get("places");
  if (given.get("layout") !== 1 || held === undefined || rule === undefined) return undefined;
  return Array.isArray(places)
    ? { layout: 1, held, places: places.flatMap(placeIn), rule }
    : undefined;
}

function placeIn(read: unknown): readonly Place[] {
  const given = fieldsIn(read);
  const prefix = stringIn(given, "prefix") ?? "";
  const key = stringIn(given, "key");
  return prefix === "" || key === undefined ? [] : [{ prefix, key }];
}

function ruleIn(given: Fields): Rule | undefined {
  const kind = given.get("kind");
  if (kind === "first" || kind === "phase") return { kind };
  const permits = integerIn(given, "permits");
  return kind === "permits" && permits !== undefined ? { kind, permits } : undefined;
}
