/**
 * Carries what this member may not decide to the one that leads, over a connection of their own.
 *
 * Invariants: I1 what may have happened is not sent twice: a command that was on its way when the connection ended is
 * LEADER_CHANGED, indefinite. Reads, and what certainly was not carried out, go to whoever leads next. I2 everything is
 * answered within its time, and what was not sent by then certainly did not happen. I3 what waits is bounded.
 */
import type { Failure } from "../../base/errors.ts";
import { failure } from "../../base/errors.ts";
import type { Identity } from "../../contract/auth.ts";
import type { ClusterOrder } from "../../contract/cluster.ts";
import type { CallerStamp, Reply, Request } from "../../contract/requests.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import { changesState } from "../../engines/pending.ts";
import type { Cancel } from "../../ports/clock.ts";
import type { OrderReply } from "../../wire/native/cluster-orders.ts";
import type { PeerReply, PeerRequest } from "../../wire/native/peer-requests.ts";
import { peerReplyCodec, peerRequestCodec } from "../../wire/native/peer-requests.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import { REPLY_FRAME_BYTES_MAX } from "../../wire/native/messages.ts";
import { orAlive } from "../../wire/native/peer-handshake.ts";
import { PEER_FRAME_BYTES_MAX } from "../../wire/native/peer-messages.ts";
import type { Self } from "./handshake.ts";
import type { PeerPorts } from "./peer-dial.ts";
import { PeerDial } from "./peer-dial.ts";

/** How long a request may take: etcd's five seconds and two elections. */
const ANSWER_MS = 7_000;
/** Before what a member refused because it does not lead is tried again. */
const AGAIN_MS = 20;
const WAITING_MAX = 16_384;

type Asked = Omit<Extract<PeerRequest, { kind: "request" }>, "id"> | OrderAsked;
type OrderAsked = Omit<Extract<PeerRequest, { kind: "order" }>, "id">;

interface Waiting {
  readonly asked: Asked;
  isSent: boolean;
  readonly cancel: Cancel;
  readonly answer: (reply: Reply | OrderReply) => void;
}

export interface ForwarderOptions extends PeerPorts {
  readonly self: Self;
  /** Who leads, if that is known. */
  readonly leader: () => PeerAddress | undefined;
  /** What this member, which may lead by now, says to it. */
  readonly here: (asked: Asked, done: (reply: Reply | OrderReply) => void) => void;
}

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #writer = new FrameWriter<PeerRequest>(peerRequestCodec, PEER_FRAME_BYTES_MAX);
  #reader = freshReader();
  #ids = 0;
  #target = 0;
  #dial: PeerDial | undefined;
  #flushScheduled = false;
  #cancelAgain: Cancel = () => {};
  #isClosed = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  submit(
    asked: {
      readonly request: Request;
      readonly caller?: CallerStamp | undefined;
      readonly identity: Identity;
    },
    done: (reply: Reply) => void,
  ): void {
    this.#ask({ kind: "request", ...asked }, done as Waiting["answer"]);
  }

  order(order: ClusterOrder, done: (reply: OrderReply) => void): void {
    this.#ask({ kind: "order", order }, done as Waiting["answer"]);
  }

  /** Another member may lead by now. */
  leaderChanged(): void {
    if (this.#waiting.size > 0 || this.#dial !== undefined) this.#aim();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelAgain();
    this.#dial?.close();
    for (const [id, { isSent, asked }] of this.#waiting) {
      const outcome = isSent && changes(asked) ? "indefinite" : "definite";
      this.#answer(id, { ok: false, failure: { ...closing(), outcome } });
    }
  }

  #ask(asked: Asked, answer: Waiting["answer"]): void {
    if (this.#isClosed) return answer({ ok: false, failure: closing() });
    if (this.#waiting.size >= WAITING_MAX) return answer({ ok: false, failure: overloaded() });
    const id = ++this.#ids;
    const cancel = this.#options.clock.after(ANSWER_MS, () => this.#late(id), { idle: true });
    this.#waiting.set(id, { asked, isSent: false, cancel, answer });
    this.#aim();
  }

  /** Sees to it that there is a connection to whoever leads, and sends what waits. */
  #aim(): void {
    if (this.#isClosed) return;
    const { self, leader: leaderOf } = this.#options;
    const leader = leaderOf();
    if (leader?.id !== this.#target) this.#leave();
    if (leader === undefined) return;
    if (leader.id === self.id) return this.#here();
    if (this.#dial === undefined) this.#dialTo(leader);
    else this.#send();
  }

  #leave(): void {
    this.#dial?.close();
    this.#dial = undefined;
    this.#target = 0;
    this.#lost();
  }

  #dialTo(leader: PeerAddress): void {
    this.#target = leader.id;
    this.#dial = new PeerDial(this.#options, this.#options.self, leader, "requests", {
      opened: () => {
        this.#reader = freshReader();
        this.#send();
      },
      received: (bytes) => {
        this.#reader.push(bytes);
        this.#reader.take((reply) => {
          if (reply !== undefined) this.#replied(reply);
          return true;
        });
      },
      drained: () => {},
      lost: () => {
        this.#lost();
        this.#aim();
      },
      refused: () => {},
    });
  }

  /** This member leads: what waits is its own to answer. */
  #here(): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.isSent) continue;
      waiting.isSent = true;
      this.#options.here(waiting.asked, (reply) => this.#settle(id, reply));
    }
  }

  #send(): void {
    if (this.#dial?.isOpen !== true) return;
    for (const [id, waiting] of this.#waiting) {
      if (waiting.isSent) continue;
      waiting.isSent = true;
      if (this.#writer.add({ id, ...waiting.asked } as PeerRequest)) continue;
      this.#answer(id, { ok: false, failure: tooLarge() });
    }
    if (this.#flushScheduled || this.#writer.length === 0) return;
    this.#flushScheduled = true;
    this.#options.clock.soon(() => {
      this.#flushScheduled = false;
      if (this.#writer.length > 0) this.#dial?.write(this.#writer.take());
    });
  }

  #replied({ id, reply }: PeerReply): void {
    this.#settle(id, reply);
  }

  #settle(id: number, reply: Reply | OrderReply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (reply.ok || !this.#mayGoOn(waiting, reply.failure)) return this.#answer(id, reply);
    waiting.isSent = false;
    this.#cancelAgain();
    this.#cancelAgain = this.#options.clock.after(AGAIN_MS, () => this.#aim(), { idle: true });
  }

  #mayGoOn({ asked }: Waiting, { code, outcome }: Failure): boolean {
    if (code === "NOT_LEADER") return outcome === "definite";
    return code === "LEADER_CHANGED" && !changes(asked);
  }

  /** The connection is gone: what it may have carried out is not sent again. */
  #lost(): void {
    this.#writer.take();
    for (const [id, waiting] of this.#waiting) {
      if (!waiting.isSent) continue;
      if (changes(waiting.asked)) this.#answer(id, { ok: false, failure: leaderChanged() });
      else waiting.isSent = false;
    }
  }

  #late(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const perhaps = waiting.isSent && changes(waiting.asked);
    this.#answer(id, { ok: false, failure: perhaps ? unanswered() : leaderless() });
  }

  #answer(id: number, reply: Reply | OrderReply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.cancel();
    waiting?.answer(reply);
  }
}

function freshReader(): FrameReader<PeerReply | undefined> {
  return new FrameReader(orAlive(peerReplyCodec), REPLY_FRAME_BYTES_MAX);
}

function changes(asked: Asked): boolean {
  return asked.kind === "order" ? asked.order.kind !== "list" : changesState(asked.request);
}

const OBJECT = "request at a member that does not lead";

function leaderChanged(): Failure {
  return failure("LEADER_CHANGED", {
    object: OBJECT,
    what: "was on its way to the member that led, and the connection ended",
    remedy: "Read the state before repeating it.",
  });
}

function unanswered(): Failure {
  return failure("TIMEOUT", {
    object: OBJECT,
    what: `had no answer of the member that leads within ${ANSWER_MS} ms`,
    remedy: "Read the state before repeating it.",
  });
}

function leaderless(): Failure {
  return failure("NOT_LEADER", {
    object: OBJECT,
    what: `found no member that leads within ${ANSWER_MS} ms`,
    remedy: "See quorate cluster status: more than half of the voters must reach each other.",
  });
}

function overloaded(): Failure {
  return failure("OVERLOADED", {
    object: OBJECT,
    what: `is one of more than ${WAITING_MAX} that wait for the member that leads`,
    remedy: "Send less at once, or to the member that leads.",
  });
}

function tooLarge(): Failure {
  return failure("TOO_LARGE", {
    object: OBJECT,
    what: "is longer than one member takes of another",
    remedy: "Send less at once.",
  });
}

function closing(): Failure {
  return failure("SHUTDOWN", {
    object: OBJECT,
    what: "came to a server that is shutting down",
    remedy: "Connect to another one, or wait until it is back.",
  });
}
