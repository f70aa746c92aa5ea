/**
 * The streams of a connection by their ids: those that are open, and what is remembered of those that were.
 *
 * Why no Map: see `sliding-window.ts` in `base`. Ids grow by two, so that streams at consecutive places of an array rarely
 * share one. Invariants: I1 a stream is in the table from its opening to its closing. I2 of closed streams the last
 * few are remembered, which is what frames that cross with the closing need.
 */
import { assert } from "../../base/assert.ts";
import type { Http2Stream } from "./stream.ts";

const RESET_REMEMBERED = 1_024;
const ENDED_REMEMBERED = 64;

/** How a stream closed: both sides ended it, or we reset it while its client may still send. */
export type Closing = "ended" | "reset";

export class StreamTable {
  #places: (Http2Stream | undefined)[] = Array.from({ length: 64 }, () => undefined);
  #size = 0;
  readonly #reset = new LastIds(RESET_REMEMBERED);
  readonly #ended = new LastIds(ENDED_REMEMBERED);

  get size(): number {
    return this.#size;
  }

  get(id: number): Http2Stream | undefined {
    let stream = this.#places[this.#place(id)];
    while (stream !== undefined && stream.id !== id) stream = stream.next;
    return stream;
  }

  add(stream: Http2Stream): void {
    assert(stream.next === undefined && this.get(stream.id) === undefined, "an id is used once");
    if (this.#size >= this.#places.length) this.#grow();
    this.#put(stream);
    this.#size++;
  }

  remove(stream: Http2Stream, how: Closing): void {
    this.remember(stream.id, how);
    const place = this.#place(stream.id);
    const { next } = stream;
    stream.next = undefined;
    let before = this.#places[place];
    if (before === stream) this.#places[place] = next;
    else {
      while (before !== undefined && before.next !== stream) before = before.next;
      assert(before !== undefined, "a stream that is removed is in the table");
      before.next = next;
    }
    this.#size--;
  }

  /** As if a stream of that id had closed. */
  remember(id: number, how: Closing): void {
    if (how === "reset") this.#reset.add(id);
    else this.#ended.add(id);
  }

  /** How the stream closed; undefined: that is not remembered. */
  closing(id: number): Closing | undefined {
    if (this.#reset.has(id)) return "reset";
    return this.#ended.has(id) ? "ended" : undefined;
  }

  all(): readonly Http2Stream[] {
    const all: Http2Stream[] = [];
    for (const first of this.#places)
      for (let stream = first; stream !== undefined; stream = stream.next) all.push(stream);
    assert(all.length === this.#size, "the table has what it counts");
    return all;
  }

  #place(id: number): number {
    return (id >>> 1) & (this.#places.length - 1);
  }

  #put(stream: Http2Stream): void {
    const place = this.#place(stream.id);
    stream.next = this.#places[place];
    this.#places[place] = stream;
  }

  #grow(): void {
    const all = this.all();
    this.#places = Array.from({ length: this.#places.length * 2 }, () => undefined);
    for (const stream of all) this.#put(stream);
  }
}

class LastIds {
  readonly #ids: Int32Array;
  #at = 0;

  constructor(most: number) {
    this.#ids = new Int32Array(most);
  }
  add(id: number): void {
    this.#ids[this.#at] = id;
    this.#at = (this.#at + 1) % this.#ids.length;
  }
  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}
