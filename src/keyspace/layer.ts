/**
 * A layer of uncommitted versions over what is below it: the overlay over the base, one transaction over the overlay.
 *
 * Invariant: a read through the layer sees each key once, the layer's version if it has one; a version 0 hides the key.
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
  readonly #own = new OrderedMap<KeyValue>();

  constructor(below: RangeSource) {
    this.#below = below;
  }

  get size(): number {
    return this.#own.size;
  }
  own(key: Bytes): KeyValue | undefined {
    return this.#own.get(key);
  }
  /** What it holds itself, in key order. */
  all(): readonly KeyValue[] {
    const own: KeyValue[] = [];
    this.#own.scan("", undefined, (_key, kv) => own.push(kv) > 0);
    return own;
  }
  set(kv: KeyValue): void {
    this.#own.set(kv.key, kv);
  }
  drop(key: Bytes): void {
    this.#own.delete(key);
  }

  get(key: Bytes): KeyValue | undefined {
    const own = this.#own.get(key);
    if (own === undefined) return this.#below.get(key);
    return own.version === 0 ? undefined : own;
  }

  scan(from: Bytes, end: Bytes | undefined, visit: (kv: KeyValue) => boolean): boolean {
    if (this.#own.size === 0) return this.#below.scan(from, end, visit);
    const own = this.#own.cursor(from);
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
