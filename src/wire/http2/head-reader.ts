/**
 * Header blocks into heads of requests.
 *
 * Why a memory: a client says the same of every call, in a few bytes that point into a table which then stays as it is.
 * Such a block is looked up by its bytes. Invariants: I1 what is remembered was read at the present version of the
 * table and left it alone, so reading the block again would give the same. I2 few and short blocks are remembered.
 */
import { assert } from "../../base/assert.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { HeaderField } from "./hpack-static.ts";
import type { RequestHead } from "./request-head.ts";
import { requestHead, trailersHold } from "./request-head.ts";
import { LIST_BYTES_MAX } from "./settings.ts";

const BLOCKS_MAX = 8;
const BLOCK_BYTES_MAX = 256;

interface Remembered {
  readonly block: Uint8Array;
  readonly head: RequestHead;
}

/** Why there is no head: the list is too long, or no request. */
export type NoHead = "too long" | "malformed";

export class HeadReader {
  readonly #decoder = new HpackDecoder();
  #remembered: Remembered[] = [];
  #next = 0;

  /** The head that `array[start, end)` encodes. Throws `ConnectionError`. */
  head(array: Uint8Array, start: number, end: number): RequestHead | NoHead {
    for (const each of this.#remembered) if (same(each.block, array, start, end)) return each.head;
    const version = this.#decoder.version;
    const fields = this.#read(array, start, end);
    if (fields === undefined) return "too long";
    const head = requestHead(fields);
    if (head === undefined) return "malformed";
    const again = version === this.#decoder.version && end - start <= BLOCK_BYTES_MAX;
    if (again) this.#remember({ block: array.slice(start, end), head });
    return head;
  }

  /** Whether these are trailers. Throws `ConnectionError`. */
  trailers(array: Uint8Array, start: number, end: number): boolean {
    const fields = this.#read(array, start, end);
    return fields !== undefined && trailersHold(fields);
  }

  #read(array: Uint8Array, start: number, end: number): readonly HeaderField[] | undefined {
    const version = this.#decoder.version;
    const fields = this.#decoder.decode(array, start, end, LIST_BYTES_MAX);
    if (version !== this.#decoder.version && this.#remembered.length > 0) {
      this.#remembered = [];
      this.#next = 0;
    }
    return fields;
  }

  #remember(read: Remembered): void {
    this.#remembered[this.#next] = read;
    this.#next = (this.#next + 1) % BLOCKS_MAX;
    assert(this.#remembered.length <= BLOCKS_MAX, "few blocks are remembered");
  }
}

function same(block: Uint8Array, array: Uint8Array, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let at = 0; at < block.length; at++) if (block[at] !== array[start + at]) return false;
  return true;
}
