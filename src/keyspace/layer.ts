/**
 * A layer of uncommitted versions over what is below it: the overlay over the base, one transaction over the overlay.
 *
 * Invariant: a read through the layer sees each key once, the layer's version if it has one; a version 0 hides the key.
 * Most transactions change one key: until there is a second, no map is made for it.
 */
import type { Bytes } from "../base/bytes.ts";
import { OrderedMap } from "../base/ordered-map.ts";
import type { KeyValue } from "../contract/requests.ts";
import type { RangeSource } from "./range.ts";

/** The key's state as a deletion leaves it. */
export function tombstone(key: Bytes, revision: number): KeyValue {
  return {
    key,
    value: "" as Bytes,
    createRevision: 0,
    modRevision: revision,
    version: 0,
    lease: 0n,
  };
}

export class Layer implements RangeSource {
  readonly #below: RangeSource;
  #only: KeyValue | undefined;
  #map: OrderedMap<KeyValue> | undefined;

  constructor(below: RangeSource) {
    this.#below = below;
  }

  get size(): number {
    return this.#map?.size ?? (this.#only === undefined ? 0 : 1);
  }
  own(key: Bytes): KeyValue | undefined {
    if (this.#map !== undefined) return this.#map.get(key);
    return this.#only?.key === key ? this.#only : undefined;
  }
  /** What it holds itself, in key order. */
  all(): readonly KeyValue[] {
    if (this.#map === undefined) return this.#only === undefined ? [] : [this.#only];
    const own: KeyValue[] = [];
    this.#map.scan("", undefined, (_key, kv) => own.push(kv) > 0);
    return own;
  }
  set(kv: KeyValue): void {
    const isOnly = this.#only === undefined || this.#only.key === kv.key;
    if (this.#map === undefined && isOnly) this.#only = kv;
    else this.#mapped().set(kv.key, kv);
  }
  drop(key: Bytes): void {
    if (this.#map !== undefined) this.#map.delete(key);
    else if (this.#only?.key === key) this.#only = undefined;
  }

  #mapped(): OrderedMap<KeyValue> {
    if (this.#map !== undefined) return this.#map;
    this.#map = new OrderedMap();
    if (this.#only !== undefined) this.#map.set(this.#only.key, this.#only);
    this.#only = undefined;
    return this.#map;
  }

  get(key: Bytes): KeyValue | undefined {
    const own = this.own(key);
    if (own === undefined) return this.#below.get(key);
    return own.version === 0 ? undefined : own;
  }

  scan(from: Bytes, end: Bytes | undefined, visit: (kv: KeyValue) => boolean): boolean {
    if (this.size === 0) return this.#below.scan(from, end, visit);
    const own = this.#mapped().cursor(from);
    const visitOwn = (upTo: Bytes | undefined): boolean => {
      for (let kv = own.value; kv !== undefined; kv = own.value) {
        if (upTo !== undefined && kv.key >= upTo) return true;
        own.next();
        if (kv.version !== 0 && !visit(kv)) return false;
      }
      return true;
    };
    const passed = this.#below.scan(from, end, (kv) => {
      if (!visitOwn(kv.key)) return false;
      if (own.key !== kv.key) return visit(kv);
      const mine = own.value as KeyValue;
      own.next();
      return mine.version === 0 || visit(mine);
    });
    return passed && visitOwn(end);
  }
}
