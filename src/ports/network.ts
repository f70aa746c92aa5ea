/**
 * Byte streams as a port. A stream delivers in order or ends; it says nothing about whether the other side acted.
 */

/** What a stream tells its owner. */
export interface StreamHandler {
  /** Bytes came in; the array is the handler's to keep. */
  received(bytes: Uint8Array): void;
  /** The outgoing buffer has emptied after `write` returned false. */
  drained(): void;
  /** The stream is over, by either side, with the reason if it was not orderly. Called once. */
  closed(reason: Error | undefined): void;
}

/** An open two-way stream of bytes. */
export interface ByteStream {
  /** Names the other side in messages. */
  readonly peer: string;
  /** Queues `bytes`; false means: wait for `drained` before writing more. */
  write(bytes: Uint8Array): boolean;
  /** Stops or resumes delivery of incoming bytes: back-pressure to the other side. */
  pause(): void;
  resume(): void;
  /** Whether this stream keeps the process alive. */
  keepAlive(hold: boolean): void;
  /** Ends the stream at once; queued bytes may be lost. */
  destroy(): void;
  /**
   * Ends the stream after what is queued, and destroys it if the other side does not end too within a moment: what it has not
   * taken by then is lost.
   */
  end(): void;
}

/** How to reach a server. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "local"; readonly path: string };

/** Opens streams. `attach` is called before any byte can arrive. */
export interface Network {
  dial(
    address: Address,
    attach: (stream: ByteStream) => StreamHandler,
    signal?: AbortSignal,
  ): Promise<ByteStream>;
}
