/**
 * The fingerprint of a run: everything that happens goes in, in order. Two runs with equal fingerprints were, as far as
 * anybody can tell, the same run. 64 bits in two lanes of 32-bit arithmetic, so that every runtime computes the same.
 */

const number = new Float64Array(1);
const words = new Uint32Array(number.buffer);

export class Trace {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;
  /** How many things have happened. */
  count = 0;

  word(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193) >>> 0;
    this.#b = (Math.imul(this.#b + value, 0x85ebca6b) ^ (this.#b >>> 13)) >>> 0;
  }

  /** Any number, by its bits. */
  number(value: number): void {
    number[0] = value;
    this.word(words[0] as number);
    this.word(words[1] as number);
  }

  text(value: string): void {
    for (let at = 0; at < value.length; at++) this.word(value.charCodeAt(at));
    this.word(value.length);
  }

  bytes(value: Uint8Array): void {
    for (let at = 0; at < value.length; at++) this.word(value[at] as number);
    this.word(value.length);
  }

  /** Something happened on a machine. */
  event(atMs: number, machine: number): void {
    this.count++;
    this.number(atMs);
    this.word(machine);
  }

  /** The fingerprint so far, 16 hexadecimal digits. */
  get hash(): string {
    return [this.#a, this.#b].map((lane) => lane.toString(16).padStart(8, "0")).join("");
  }
}
