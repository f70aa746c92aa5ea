/**
 * Messages in a gRPC stream: one byte that says whether it is compressed, four of length, the message.
 *
 * Invariants: I1 a message longer than the limit is refused by its head, before its bytes are kept. I2 a message that
 * lies whole in one chunk is not copied. I3 what is kept of an unfinished message is what has arrived, not what is
 * promised. Leaves out: compression, which is refused.
 */
import type { Init, Message } from "../protobuf.ts";
import { ProtoWriter } from "../protobuf.ts";
import { GRPC, RpcStatus } from "./status.ts";

const HEAD_BYTES = 5;
const NOTHING = new Uint8Array(0);

const single = new ProtoWriter();

/** `value` as a message of the stream. */
export function frame<T extends object>(of: Message<T>, value: Init<T>): Uint8Array {
  single.clear();
  writeFrame(single, of, value);
  return single.take();
}

/** Appends `value` as a message of the stream. */
export function writeFrame<T extends object>(
  writer: ProtoWriter,
  of: Message<T>,
  value: Init<T>,
): void {
  writer.u8(0);
  const length = writer.openU32();
  of.write(writer, value);
  writer.patchU32(length, writer.length - length - 4);
}

/** What goes before a message that is made of `parts`. */
export function frameHead(parts: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  new DataView(head.buffer).setUint32(1, length);
  return head;
}

/** Cuts a stream of bytes into messages. */
export class MessageReader {
  readonly #bytesMax: number;
  /** Of the head, as far as it has come. */
  #headLength = 0;
  #compressed = 0;
  #wanted = 0;
  /** The beginning of an unfinished message: one array, because it may come byte by byte. */
  #begun: Uint8Array = NOTHING;
  #filled = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** True between two messages. */
  get clean(): boolean {
    return this.#headLength === 0;
  }

  /** What is kept of an unfinished message. */
  get keptBytes(): number {
    return this.#filled;
  }

  /** Gives each message that `chunk` completes to `each`. Throws `RpcStatus`. */
  push(chunk: Uint8Array, each: (message: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headLength < HEAD_BYTES) {
        this.#addToHead(chunk[at++] as number);
        if (this.#headLength < HEAD_BYTES) continue;
        this.#accept();
      }
      const end = Math.min(chunk.length, at + this.#wanted - this.#filled);
      const part = chunk.subarray(at, end);
      at = end;
      if (this.#filled + part.length < this.#wanted) return this.#keep(part);
      each(this.#take(part));
    }
  }

  #addToHead(byte: number): void {
    if (this.#headLength++ > 0) this.#wanted = this.#wanted * 0x100 + byte;
    else [this.#compressed, this.#wanted] = [byte, 0];
  }

  /** Refuses by the head what is not taken. */
  #accept(): void {
    if (this.#compressed !== 0)
      throw new RpcStatus(GRPC.unimplemented, "grpc: compressed messages are not supported");
    if (this.#wanted <= this.#bytesMax) return;
    throw new RpcStatus(
      GRPC.resourceExhausted,
      `grpc: received message larger than max (${this.#wanted} vs. ${this.#bytesMax})`,
    );
  }

  #take(last: Uint8Array): Uint8Array {
    this.#headLength = 0;
    if (this.#filled === 0) return last;
    this.#keep(last);
    const whole = this.#begun;
    this.#begun = NOTHING;
    this.#filled = 0;
    return whole;
  }

  #keep(part: Uint8Array): void {
    const filled = this.#filled + part.length;
    if (filled > this.#begun.length) {
      const larger = new Uint8Array(Math.min(this.#wanted, 2 * filled));
      larger.set(this.#begun.subarray(0, this.#filled));
      this.#begun = larger;
    }
    this.#begun.set(part, this.#filled);
    this.#filled = filled;
  }
}
