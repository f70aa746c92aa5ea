/**
 * What another member asks on behalf of its clients: given to the driver as theirs, answered in few writes.
 *
 * Invariants: I1 nothing is read while as much is in flight as may be, or while answers are not taken. I2 what is in
 * flight when the connection ends is answered to nobody.
 */
import { failure } from "../../base/errors.ts";
import type { Identity } from "../../contract/auth.ts";
import type { ClusterOrder } from "../../contract/cluster.ts";
import type { CallerStamp, Reply, Request } from "../../contract/requests.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ByteStream } from "../../ports/network.ts";
import type { OrderReply } from "../../wire/native/cluster-orders.ts";
import type { PeerReply, PeerRequest } from "../../wire/native/peer-requests.ts";
import { peerReplyCodec, peerRequestCodec } from "../../wire/native/peer-requests.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import { REPLY_FRAME_BYTES_MAX } from "../../wire/native/messages.ts";
import { orAlive } from "../../wire/native/peer-handshake.ts";
import { PEER_FRAME_BYTES_MAX } from "../../wire/native/peer-messages.ts";
import type { LaneContent } from "./incoming.ts";

const IN_FLIGHT_MAX = 8_192;

/** Who answers. */
export interface Answering {
  submit(
    request: Request,
    caller: CallerStamp | undefined,
    done: (reply: Reply) => void,
    identity: Identity,
  ): void;
  order(order: ClusterOrder, done: (reply: OrderReply) => void): void;
}

export class ServedRequests implements LaneContent {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #answering: Answering;
  readonly #reader = new FrameReader(orAlive(peerRequestCodec), PEER_FRAME_BYTES_MAX);
  readonly #writer = new FrameWriter<PeerReply>(peerReplyCodec, REPLY_FRAME_BYTES_MAX);
  #inFlight = 0;
  #isBlocked = false;
  #isPaused = false;
  #isClosed = false;
  #flushScheduled = false;

  constructor(stream: ByteStream, clock: Clock, answering: Answering) {
    this.#stream = stream;
    this.#clock = clock;
    this.#answering = answering;
  }

  received(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    this.#reader.take((asked) => {
      if (asked !== undefined) this.#carryOut(asked);
      return true;
    });
    this.#flow();
  }

  drained(): void {
    this.#isBlocked = false;
    this.#flow();
  }

  closed(): void {
    this.#isClosed = true;
  }

  #carryOut(asked: PeerRequest): void {
    this.#inFlight++;
    const { id } = asked;
    if (asked.kind === "order") {
      this.#answering.order(asked.order, (reply) => this.#send({ kind: "ordered", id, reply }));
      return;
    }
    const { request, caller, identity } = asked;
    const of = request.kind;
    this.#answering.submit(
      request,
      caller,
      (reply) => this.#send({ kind: "reply", id, of, reply }),
      identity,
    );
  }

  #send(reply: PeerReply): void {
    this.#inFlight--;
    if (this.#isClosed) return;
    if (!this.#writer.add(reply) && reply.kind === "reply") {
      const what = `an answer is longer than ${REPLY_FRAME_BYTES_MAX} bytes`;
      const remedy = "Ask for less at once: use a limit.";
      const tooLarge = failure("TOO_LARGE", { object: "member that leads", what, remedy });
      this.#writer.add({ ...reply, reply: { ok: false, failure: tooLarge } });
    }
    this.#flow();
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#clock.soon(() => {
      this.#flushScheduled = false;
      if (this.#isClosed || this.#writer.length === 0) return;
      this.#isBlocked = !this.#stream.write(this.#writer.take());
      this.#flow();
    });
  }

  #flow(): void {
    const isFull = this.#isBlocked || this.#inFlight >= IN_FLIGHT_MAX;
    if (isFull === this.#isPaused || this.#isClosed) return;
    this.#isPaused = isFull;
    if (isFull) this.#stream.pause();
    else this.#stream.resume();
  }
}
