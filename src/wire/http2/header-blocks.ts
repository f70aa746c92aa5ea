/**
 * Header blocks that come in more than one frame.
 *
 * Invariants: I1 between HEADERS and the last CONTINUATION nothing else comes. I2 a block has a bounded number of frames and
 * bytes, whatever its fields would count. Source: RFC 9113, §4.3 and §6.10.
 */
import { assert } from "../../base/assert.ts";
import { ByteWriter } from "../../base/codec.ts";
import { CODE, demand } from "./errors.ts";
import { LIST_BYTES_MAX } from "./settings.ts";

/** Huffman code can make a list longer; by more than this only in bad faith. */
const BLOCK_BYTES_MAX: number = 4 * LIST_BYTES_MAX;
const FRAMES_MAX = 16;

/** A header block of which not all has come. */
export class HeaderBlocks {
  readonly #gathered = new ByteWriter();
  #frames = 0;
  stream = 0;
  endStream = false;

  /** A block is not at its end. */
  get open(): boolean {
    return this.#frames > 0;
  }

  begin(stream: number, endStream: boolean, part: Uint8Array): void {
    assert(!this.open, "one block at a time");
    this.stream = stream;
    this.endStream = endStream;
    this.#frames = 1;
    this.#gathered.array(part);
  }

  /** Throws `ConnectionError`. */
  add(part: Uint8Array): void {
    assert(this.open, "a block is continued");
    this.#frames++;
    this.#gathered.array(part);
    const modest = this.#frames <= FRAMES_MAX && this.#gathered.length <= BLOCK_BYTES_MAX;
    demand(modest, CODE.enhanceYourCalm, "a header block without end");
  }

  take(): Uint8Array {
    const block = this.#gathered.take();
    this.#gathered.reset();
    this.#frames = 0;
    return block;
  }
}
