/**
 * Where the members of a cluster are, as any of them says: what can be asked while nobody leads.
 *
 * Invariants: I1 nothing is asked that needs a leader, or to know who asks. I2 a server that does not say is left for the
 * next one.
 */
import { toArray } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";
import type { Address, ByteStream, Network, StreamHandler } from "../ports/network.ts";
import { FrameReader, FrameWriter } from "../wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../wire/native/messages.ts";
import {
  CLIENT_VERSION,
  clientCodec,
  MAGIC,
  REPLY_FRAME_BYTES_MAX,
  REQUEST_FRAME_BYTES_MAX,
  serverCodec,
} from "../wire/native/messages.ts";

/** Where clients reach the members, as the first of `addresses` tells that does; none if none does. `within`: each. */
export async function memberUrls(
  addresses: readonly Address[],
  network: Network,
  within: () => AbortSignal,
): Promise<readonly string[]> {
  for (const address of addresses) {
    const told = await new Told().at(address, network, within());
    if (told.length > 0) return told;
  }
  return [];
}

/** One connection, until it has told. */
class Told implements StreamHandler {
  readonly #reader = new FrameReader<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
  readonly #told: Promise<readonly string[]>;
  #tell: (urls: readonly string[]) => void = () => {};

  constructor() {
    this.#told = new Promise((resolve) => (this.#tell = resolve));
  }

  async at(address: Address, network: Network, signal: AbortSignal): Promise<readonly string[]> {
    let stream: ByteStream | undefined;
    const onAbort = (): void => this.#tell([]);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      stream = await network.dial(address, () => this, signal);
      const hello = new FrameWriter<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
      hello.add({ kind: "hello", program: "quorate-cli", version: CLIENT_VERSION });
      stream.write(toArray(MAGIC));
      stream.write(hello.take());
      return await this.#told;
    } catch {
      return [];
    } finally {
      signal.removeEventListener("abort", onAbort);
      stream?.destroy();
    }
  }

  received(bytes: Uint8Array): void {
    try {
      this.#reader.push(bytes);
      this.#reader.take((message) => {
        if (message.kind === "members") this.#tell(message.urls);
        return true;
      });
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#tell([]);
    }
  }
  drained(): void {}
  closed(): void {
    this.#tell([]);
  }
}
