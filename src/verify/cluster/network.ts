/**
 * A simulated network between members: messages are delayed, lost, repeated and overtake each other; links are cut, in
 * one direction or both, with or without being told.
 *
 * As whoever connects members must, it refuses a member whose directory is not the one that is known under its id, and one that
 * was removed.
 */
import type { Prng } from "../../base/prng.ts";
import type { PeerAddress, PeerHandler, Peers, PeerShown } from "../../driver/peers.ts";
import type { MemberId, Message } from "../../protocols/agreement/raft/messages.ts";
import type { Life, Scheduler } from "./scheduler.ts";

export interface NetworkFaults {
  /** In a hundred. */
  loss: number;
  repeat: number;
  /** Greatest delay, ms. */
  delayMs: number;
}

interface Port {
  readonly life: Life;
  readonly shown: PeerShown;
  handler: PeerHandler | undefined;
  members: readonly PeerAddress[];
  removed: readonly MemberId[];
  /** To whom it has shown itself. */
  readonly met: Set<MemberId>;
}

export class SimNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: Prng;
  readonly faults: NetworkFaults = { loss: 0, repeat: 0, delayMs: 1 };
  /** Cut links as `from>to`. */
  readonly cut: Set<string> = new Set();
  readonly #ports = new Map<MemberId, Port>();
  /** Members that were refused. */
  readonly refused: Set<MemberId> = new Set();
  sent = 0;

  constructor(scheduler: Scheduler, random: Prng) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  /** The network as a member sees it for one life. */
  peers(id: MemberId, life: Life, shown: PeerShown): Peers {
    const told = { handler: undefined, members: [], removed: [], met: new Set<MemberId>() };
    const port: Port = { life, shown, ...told };
    this.#ports.set(id, port);
    for (const other of this.#ports.values()) other.met.delete(id);
    return {
      attach: (handler) => {
        port.handler = handler;
      },
      members: (members, { removed }) => {
        port.members = members;
        port.removed = removed;
      },
      suppose: (members) => {
        port.members = members;
      },
      send: (messages) => {
        for (const message of messages) this.#send(port, message);
      },
      close: () => {
        this.drop(id);
        return Promise.resolve();
      },
    };
  }

  /** Whom a member takes for the others, by its own words. */
  known(id: MemberId): readonly PeerAddress[] {
    return this.#ports.get(id)?.members ?? [];
  }

  /** A member is gone; the others are told, now or never. */
  drop(id: MemberId): void {
    this.#ports.delete(id);
    if (this.#random.chance(1, 4)) return;
    for (const [other, { handler, life }] of this.#ports) {
      if (this.cut.has(`${id}>${other}`)) continue;
      this.#scheduler.at(this.#scheduler.nowMs + 1, () => handler?.lost(id), life);
    }
  }

  /** Both ends of the cut links are told, as when a connection is reset. */
  tellCut(): void {
    for (const [id, { handler, life }] of this.#ports)
      for (const other of this.#ports.keys())
        if (this.cut.has(`${other}>${id}`))
          this.#scheduler.at(this.#scheduler.nowMs, () => handler?.lost(other), life);
  }

  /** `from` is told that its connection with `other` is gone. */
  reset(from: MemberId, other: MemberId): void {
    const port = this.#ports.get(from);
    if (port === undefined || from === other) return;
    this.#scheduler.at(this.#scheduler.nowMs, () => port.handler?.lost(other), port.life);
  }

  #send(from: Port, message: Message): void {
    this.sent++;
    const { faults } = this;
    if (this.cut.has(`${message.from}>${message.to}`)) return;
    if (this.#random.chance(faults.loss, 100)) return;
    const times = this.#random.chance(faults.repeat, 100) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const atMs = this.#scheduler.nowMs + 0.1 + this.#random.below(faults.delayMs * 10) / 10;
      this.#scheduler.at(atMs, () => this.#deliver(from, message));
    }
  }

  /** Whether `port` takes the member for the one that it knows under that id. */
  #isKnown(port: Port, id: MemberId, member: Port): boolean {
    const known = port.members.find((each) => each.id === id)?.identity ?? "";
    const isGone = port.removed.includes(id);
    if (!isGone && (known === "" || known === member.shown.identity)) return true;
    this.refused.add(id);
    return false;
  }

  #deliver(from: Port, message: Message): void {
    const to = this.#ports.get(message.to);
    if (to?.handler === undefined || to.life.isOver) return;
    if (to.life.deafUntil > this.#scheduler.nowMs) return;
    // Each end of a connection looks at who the other is.
    if (!this.#isKnown(to, message.from, from) || !this.#isKnown(from, message.to, to)) return;
    const { handler } = to;
    this.#scheduler.at(
      this.#scheduler.nowMs,
      () => {
        if (!to.met.has(message.from)) {
          to.met.add(message.from);
          handler.identified(message.from, from.shown);
        }
        handler.received(message);
      },
      to.life,
    );
  }
}
