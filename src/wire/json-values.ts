/**
 * JSON values one after another in a stream of bytes, as text.
 *
 * Invariants: I1 what is given out is one value, or what is left when the stream ends; whether it is JSON is for the
 * parser to say. I2 a value longer than the limit throws `RpcStatus` before it is kept.
 */
import { GRPC, RpcStatus } from "./grpc/status.ts";

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [34, 92, 123, 125, 91, 93] as const;

export class JsonValues {
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #parts: Uint8Array[] = [];
  #gathered = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Gives each value that `chunk` completes to `each`. */
  push(chunk: Uint8Array, each: (text: string, bytes: number) => void): void {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const code = chunk[at] as number;
      if (!this.#ends(code)) continue;
      // A bare word ends before the space, an object with its brace.
      const end = isSpace(code) ? at : at + 1;
      this.#keep(chunk.subarray(start, end));
      this.#give(each);
      start = at + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** The stream is over: what is left is given out as it is. */
  end(each: (text: string, bytes: number) => void): void {
    this.#give(each);
  }

  /** Whether a value ends with `code`. */
  #ends(code: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (code === BACKSLASH) this.#escaped = true;
      else if (code === QUOTE) this.#inString = false;
      return false;
    }
    if (code === QUOTE) this.#inString = true;
    else if (code === OPEN || code === OPEN_LIST) this.#depth++;
    else if (code === CLOSE || code === CLOSE_LIST) return --this.#depth <= 0;
    return this.#depth === 0 && isSpace(code);
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#gathered += part.length;
    if (this.#gathered > this.#bytesMax)
      throw new RpcStatus(
        GRPC.resourceExhausted,
        `quorate: a request longer than ${this.#bytesMax} bytes of JSON`,
      );
    this.#parts.push(part.slice());
  }

  #give(each: (text: string, bytes: number) => void): void {
    const bytes = joined(this.#parts, this.#gathered);
    this.#parts = [];
    this.#gathered = 0;
    this.#depth = 0;
    const text = this.#decode(bytes);
    if (text.trim() !== "") each(text, bytes.length);
  }

  #decode(bytes: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      throw new RpcStatus(GRPC.invalidArgument, "quorate: a request that is not UTF-8");
    }
  }
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
