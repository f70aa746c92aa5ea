/**
 * One transaction in the making: a layer over the head that collects ordered changes and the states they leave.
 *
 * Invariants: I1 nothing outside sees it before `effects()`; dropping it undoes it. I2 each key's create and mod
 * revision and version come out as the base will compute them when it applies the changes.
 */
import type { Bytes } from "../base/bytes.ts";
import { printable } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { KeyValue } from "../contract/requests.ts";
import type { Change } from "./effects.ts";
import { Layer, tombstone } from "./layer.ts";
import { changeBytes } from "./overlay.ts";
import type { RangeSource } from "./range.ts";

/** Most keys that one transaction may change, and most bytes that its changes may hold. */
export const CHANGES_MAX = 10_000;
export const CHANGE_BYTES_MAX: number = 4 << 20;

export class Scratch implements RangeSource {
  readonly #layer: Layer;
  readonly changes: Change[] = [];
  /** The revision that the transaction has if it changes anything. */
  readonly revision: number;
  bytes = 0;

  constructor(below: RangeSource, revision: number) {
    this.#layer = new Layer(below);
    this.revision = revision;
  }

  get(key: Bytes): KeyValue | undefined {
    return this.#layer.get(key);
  }
  scan(from: Bytes, end: Bytes | undefined, visit: (kv: KeyValue) => boolean): boolean {
    return this.#layer.scan(from, end, visit);
  }
  /** The final state of each changed key. */
  states(): readonly KeyValue[] {
    return this.#layer.all();
  }

  /** Returns what the key was before. */
  put(key: Bytes, value: Bytes, lease: bigint): KeyValue | undefined {
    const before = this.#layer.get(key);
    this.#record({ kind: "put", key, value, lease });
    this.#layer.set({
      key,
      value,
      lease,
      createRevision: before?.createRevision ?? this.revision,
      modRevision: this.revision,
      version: (before?.version ?? 0) + 1,
    });
    return before;
  }

  /** Deletes the key if it exists; returns what it was. */
  delete(key: Bytes): KeyValue | undefined {
    const before = this.#layer.get(key);
    if (before === undefined) return undefined;
    this.#record({ kind: "delete", key });
    this.#layer.set(tombstone(key, this.revision));
    return before;
  }

  /** Whether `change` stays within what one transaction may change. */
  takes(change: Change): boolean {
    return (
      this.changes.length < CHANGES_MAX && this.bytes + changeBytes(change) <= CHANGE_BYTES_MAX
    );
  }

  #record(change: Change): void {
    const taken = this.takes(change);
    this.changes.push(change);
    this.bytes += changeBytes(change);
    if (taken) return;
    throw fail("TOO_LARGE", {
      object: `key ${printable(change.key)}`,
      what: `one transaction may change ${CHANGES_MAX} keys or ${CHANGE_BYTES_MAX} bytes, this one changes more`,
      remedy: "Split the work into several transactions.",
    });
  }
}
