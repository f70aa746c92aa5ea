/**
 * The messages to another member that go by one connection.
 *
 * Invariants: I1 what waits is bounded; without a connection nothing waits. I2 messages of one turn leave in one write, and
 * no write is made while the last one has not been taken: a slow reader costs the queue and one write.
 */
import type { PeerAddress } from "../../driver/peers.ts";
import type { Message } from "../../protocols/agreement/raft/messages.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { MessageLane, Refusal } from "../../wire/native/peer-handshake.ts";
import { laneCodec, quietCodec } from "../../wire/native/peer-handshake.ts";
import { PEER_FRAME_BYTES_MAX } from "../../wire/native/peer-messages.ts";
import type { Self } from "./handshake.ts";
import { LaneQueue } from "./lane-queue.ts";
import type { PeerPorts } from "./peer-dial.ts";
import { PeerDial } from "./peer-dial.ts";

/** What leaves in one write. */
const WRITE_BYTES: number = 256 << 10;
/** What may wait: a leader has 16 MiB on the way to a follower, and a probe or a chunk beside it. */
export const QUEUE_BYTES_MAX: Readonly<Record<MessageLane, number>> = {
  prompt: 1 << 20,
  bulk: 32 << 20,
};

export interface OutgoingEvents {
  opened(identity: string): void;
  lost(): void;
  refused(refusal: Refusal, by: "us" | "them"): void;
  /** So many messages were not sent. */
  dropped(count: number): void;
}

export class OutgoingLane {
  readonly #ports: PeerPorts;
  readonly #events: OutgoingEvents;
  readonly #queue: LaneQueue;
  readonly #writer: FrameWriter<Message | undefined>;
  readonly #dial: PeerDial;
  #flushScheduled = false;
  #isBlocked = false;

  constructor(
    ports: PeerPorts,
    self: Self,
    address: PeerAddress,
    lane: MessageLane,
    events: OutgoingEvents,
  ) {
    this.#ports = ports;
    this.#events = events;
    this.#queue = new LaneQueue(QUEUE_BYTES_MAX[lane]);
    this.#writer = new FrameWriter(laneCodec(self.id, address.id), PEER_FRAME_BYTES_MAX);
    const quiet = new FrameReader(quietCodec, 0);
    this.#dial = new PeerDial(ports, self, address, lane, {
      opened: (identity) => {
        this.#isBlocked = false;
        events.opened(identity);
      },
      received: (bytes) => {
        quiet.push(bytes);
        quiet.take(() => true);
      },
      drained: () => {
        this.#isBlocked = false;
        this.#flush();
      },
      lost: () => {
        this.#queue.clear();
        events.lost();
      },
      refused: (refusal, by) => events.refused(refusal, by),
    });
  }

  get isOpen(): boolean {
    return this.#dial.isOpen;
  }
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  readdress(address: PeerAddress): void {
    this.#dial.readdress(address);
  }

  hurry(): void {
    this.#dial.hurry();
  }

  send(message: Message): void {
    if (!this.isOpen) return this.#events.dropped(1);
    const dropped = this.#queue.push(message);
    if (dropped > 0) this.#events.dropped(dropped);
    if (this.#flushScheduled || this.#isBlocked) return;
    this.#flushScheduled = true;
    this.#ports.clock.soon(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  close(): void {
    this.#dial.close();
    this.#queue.clear();
  }

  #flush(): void {
    while (this.isOpen && !this.#isBlocked && !this.#queue.isEmpty) {
      while (this.#writer.length < WRITE_BYTES) {
        const message = this.#queue.shift();
        if (message === undefined) break;
        if (!this.#writer.add(message)) this.#events.dropped(1);
      }
      if (this.#writer.length === 0) return;
      this.#isBlocked = !this.#dial.write(this.#writer.take());
    }
  }
}
