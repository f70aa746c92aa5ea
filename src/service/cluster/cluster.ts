/**
 * The cluster as a server sees it: who its members are, who leads, and what is ordered of it, wherever that is decided.
 *
 * Invariants: I1 an order is carried out by the member that leads, once; what may have been carried out is not ordered
 * again. I2 a member that is to vote learns first; the replica promotes it when it has caught up. I3 nobody is removed
 * whose removal would leave too few members that have been started, or are reached now. Whether somebody may order is asked where they connect.
 */
import type { Failure } from "../../base/errors.ts";
import { SYSTEM } from "../../contract/auth.ts";
import type { ClusterAnswer, ClusterOrder, MemberShown } from "../../contract/cluster.ts";
import type { Reply } from "../../contract/requests.ts";
import { OPEN_END } from "../../contract/requests.ts";
import type { Driver } from "../../driver/face.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { OrderReply } from "../../wire/native/cluster-orders.ts";
import type { Forwarder } from "../peers/forwarder.ts";
import type { ClusterView } from "./cluster-view.ts";
import {
  addRefused,
  alone,
  promoteRefused,
  removeRefused,
  transferRefused,
  updateRefused,
} from "./orders.ts";

/** How long a member that goes waits for another to lead. */
const HAND_OVER_MS = 1_000;

export interface ClusterParts {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Absent: a server that no other can reach. */
  readonly forwarder?: Forwarder | undefined;
  /** Whether another member is connected now. Absent: there is none. */
  readonly isReached?: ((id: number) => boolean) | undefined;
  /** How this member presents itself, for as long as nothing is on record. */
  readonly own: Pick<PeerAddress, "name" | "clientUrls" | "peerUrls">;
}

type Done = (reply: OrderReply) => void;

export class Cluster implements ClusterView {
  readonly #parts: ClusterParts;
  readonly #listeners = new Set<() => void>();
  #isLearner: boolean | undefined;

  constructor(parts: ClusterParts) {
    this.#parts = parts;
    parts.driver.onStanding(() => this.changed());
  }

  /** Who leads, or where somebody is found, may have changed. */
  changed(): void {
    this.#parts.forwarder?.leaderChanged();
    for (const listener of this.#listeners) listener();
  }

  get isLeader(): boolean {
    const { id, leader } = this.#parts.driver.standing();
    return id === leader;
  }

  /** Whether there is more than this one server, or may be. */
  get isShared(): boolean {
    return this.#parts.forwarder !== undefined;
  }

  /** This member gets the log and counts for nothing. Looked up once in a turn: every call asks. */
  get isLearner(): boolean {
    if (!this.isShared) return false;
    if (this.#isLearner !== undefined) return this.#isLearner;
    const { driver, clock } = this.#parts;
    const { id } = driver.standing();
    this.#isLearner = driver.members().some((each) => each.id === id && each.learner);
    clock.soon(() => (this.#isLearner = undefined));
    return this.#isLearner;
  }

  members(): readonly MemberShown[] {
    return this.#addresses().map(({ identity: _identity, ...shown }) => shown);
  }

  /** What is on record of a member. */
  recorded(member: number): PeerAddress | undefined {
    return this.#parts.driver.members().find(({ id }) => id === member);
  }

  leader(): PeerAddress | undefined {
    const { leader } = this.#parts.driver.standing();
    return this.#addresses().find(({ id }) => id === leader);
  }

  /** None of a server that is alone: whoever has come knows a way to it, and what it believes of itself may be none. */
  urls(): readonly string[] {
    if (!this.isShared) return [];
    return this.#addresses().flatMap(({ clientUrls }) => clientUrls);
  }
  leaderUrls(): readonly string[] {
    return this.isShared ? (this.leader()?.clientUrls ?? []) : [];
  }
  observe(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  /** Carries out `order` here or where it is decided. Errors: those of the driver's `order`; CONFIG for a lone server. */
  order(order: ClusterOrder, done: Done): void {
    const { forwarder } = this.#parts;
    if (this.isLeader || forwarder === undefined) return this.carryOut(order, done);
    forwarder.order(order, done);
  }

  /** Carries out `order` as the member that leads; NOT_LEADER, definite, if it does not. */
  carryOut(order: ClusterOrder, done: Done): void {
    const { driver, entropy, forwarder } = this.#parts;
    const members = this.#addresses();
    const refuse = (failure: Failure): void => done({ ok: false, failure });
    const told = this.#telling(done);
    switch (order.kind) {
      case "list":
        return this.#confirmed(told);
      case "add": {
        const refused = addRefused(order.peerUrls, members);
        if (refused !== undefined) return refuse(refused);
        if (forwarder === undefined) return refuse(alone());
        const id = entropy.u32() * 2 ** 20 + (entropy.u32() >>> 12) + 1;
        const { name, peerUrls, learner } = order;
        const member = { id, name, peerUrls, clientUrls: [], identity: "" };
        const add = { kind: "add", member, toVote: !learner } as const;
        return driver.order(add, (reply) => told(reply, id), SYSTEM);
      }
      case "promote": {
        const refused = promoteRefused(order.id, members);
        if (refused !== undefined) return refuse(refused);
        return driver.order(order, told, SYSTEM);
      }
      case "update": {
        const refused = updateRefused(order.id, order.peerUrls, members);
        if (refused !== undefined) return refuse(refused);
        if (forwarder === undefined) return refuse(alone());
        return driver.order(order, told, SYSTEM);
      }
      case "remove": {
        const refused = removeRefused(order.id, members, (id) => this.#isReached(id));
        if (refused !== undefined) return refuse(refused);
        return driver.order(order, told, SYSTEM);
      }
      case "transfer": {
        if (this.isLeader && driver.standing().id === order.to) return this.#confirmed(told);
        const refused = transferRefused(order.to, members);
        if (refused !== undefined) return refuse(refused);
        return driver.order(order, told, SYSTEM);
      }
    }
  }

  /** Has a voter lead that is reached, if this member does; resolves when one does, or nothing more can be done. */
  handOver(): Promise<void> {
    const { driver, clock } = this.#parts;
    const { id: own } = driver.standing();
    const to = driver
      .members()
      .find(({ id, learner }) => id !== own && !learner && this.#isReached(id));
    if (!this.isLeader || to === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = clock.after(HAND_OVER_MS, resolve);
      const done = (): void => {
        cancel();
        resolve();
      };
      driver.order({ kind: "transfer", to: to.id }, done, SYSTEM);
    });
  }

  close(): void {
    this.#parts.forwarder?.close();
  }

  #isReached(id: number): boolean {
    const { driver, isReached } = this.#parts;
    return id === driver.standing().id || isReached?.(id) === true;
  }

  #addresses(): readonly PeerAddress[] {
    const { driver, own } = this.#parts;
    const { id } = driver.standing();
    return driver.members().map((each) => {
      if (each.id !== id) return each;
      const name = each.name === "" ? own.name : each.name;
      const clientUrls = each.clientUrls.length === 0 ? own.clientUrls : each.clientUrls;
      const peerUrls = each.peerUrls.length === 0 ? own.peerUrls : each.peerUrls;
      return { ...each, name, clientUrls, peerUrls };
    });
  }

  /** The answer to an order, from what the driver said of it. */
  #telling(done: Done): (reply: Reply, added?: number) => void {
    return (reply, added = 0) => {
      if (reply.ok) done({ ok: true, answer: this.answer(added) });
      else done({ ok: false, failure: reply.failure });
    };
  }

  /** The members as this one knows them. */
  answer(added = 0): ClusterAnswer {
    const { leader, term } = this.#parts.driver.standing();
    return { members: this.members(), leader, term, added };
  }

  /** A read that only a leader answers: what is told then is not older than the order. */
  #confirmed(told: (reply: Reply) => void): void {
    const read = { kind: "range", key: OPEN_END, countOnly: true } as const;
    this.#parts.driver.submit(read, undefined, told, SYSTEM);
  }
}
