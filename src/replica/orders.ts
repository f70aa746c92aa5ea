/**
 * Orders about members, from being asked for to being answered.
 *
 * Invariants: I1 a change is answered when the configuration that it leads to is applied and stands by itself. I2 a
 * transfer is answered when this member no longer leads, or refused when the other did not take over in time.
 */
import { unreachable } from "../base/assert.ts";
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import { REMEMBERS_MEMBERS } from "../contract/formats.ts";
import type { Reply } from "../contract/requests.ts";
import type { Base } from "../keyspace/base.ts";
import type { MetaChange } from "../keyspace/effects.ts";
import { isJoint } from "../protocols/agreement/raft/configuration.ts";
import type { MemberId } from "../protocols/agreement/raft/messages.ts";
import type { Raft } from "../protocols/agreement/raft/raft.ts";
import { memberContext } from "./entries.ts";
import type { LeaderHint } from "./failures.ts";
import { leaderChanged } from "./failures.ts";
import type { MemberOrder } from "./members.ts";
import { changeOf } from "./members.ts";

interface Tell {
  reply(id: number, reply: Reply): void;
}

interface Changing {
  readonly id: number;
  /** The configuration's entry. */
  readonly index: number;
  readonly revision: number;
}

interface Transferring {
  readonly id: number;
  readonly to: MemberId;
  readonly revision: number;
}

export class Orders {
  #changing: Changing[] = [];
  #transferring: Transferring[] = [];

  change(changing: Changing): void {
    this.#changing.push(changing);
  }
  transfer(transferring: Transferring): void {
    this.#transferring.push(transferring);
  }

  applied(index: number, { log }: Raft, tell: Tell): void {
    if (this.#changing.length === 0 || isJoint(log.config)) return;
    const done = this.#changing.filter((each) => each.index <= index);
    this.#changing = this.#changing.filter((each) => each.index > index);
    for (const { id, revision } of done) tell.reply(id, { ok: true, response: { revision } });
  }

  /** Answers transfers whose time is up. */
  overdue(raft: Raft, tell: Tell): void {
    if (this.#transferring.length === 0 || raft.isTransferring) return;
    for (const { id, to } of this.#transferring.splice(0)) {
      const reason = failure("CONTENTION", {
        object: `member ${to}`,
        what: "did not take over in time",
        remedy: "Look at whether it is reached and up to date; then try again.",
      });
      tell.reply(id, { ok: false, failure: reason });
    }
  }

  deposed(leader: LeaderHint, tell: Tell): void {
    for (const { id, revision } of this.#transferring.splice(0))
      tell.reply(id, { ok: true, response: { revision } });
    for (const { id } of this.#changing.splice(0))
      tell.reply(id, { ok: false, failure: leaderChanged(leader) });
  }
}

/** What an order acts on. */
export interface OrderPlace {
  readonly raft: Raft;
  readonly base: Base;
  readonly orders: Orders;
  readonly tell: Tell;
  /** Adds to the open entry; `reply` is told when that is committed. */
  propose(meta: readonly MetaChange[], reply: Reply): void;
}

export function carryOutOrder(
  { id, order }: { readonly id: number; readonly order: MemberOrder },
  place: OrderPlace,
): void {
  const { raft, base, orders, tell } = place;
  const { revision } = base;
  const refuse = (reason: Failure): void => tell.reply(id, { ok: false, failure: reason });
  switch (order.kind) {
    case "add":
    case "promote":
    case "remove": {
      if (order.kind === "add" && base.members.wasRemoved(order.member.id))
        return refuse(usedUp(order.member.id));
      const context = order.kind === "add" ? contextOf(order, base) : undefined;
      const admitted = raft.step({ kind: "change", changes: [changeOf(order)], context });
      if (admitted?.ok === true) orders.change({ id, index: admitted.index, revision });
      else if (admitted !== undefined) refuse(admitted.failure);
      return;
    }
    case "update": {
      const record = base.members.record(order.id);
      if (record === undefined) return refuse(unknown(order.id));
      const member = { ...record, peerUrls: order.peerUrls };
      place.propose([{ kind: "memberSet", member }], { ok: true, response: { revision } });
      return;
    }
    case "transfer": {
      const admitted = raft.step({ kind: "transfer", to: order.to });
      if (admitted?.ok === true) orders.transfer({ id, to: order.to, revision });
      else if (admitted !== undefined) refuse(admitted.failure);
      return;
    }
    default:
      unreachable(order);
  }
}

/** The promise of a vote is in the log as soon as every member can read it there. */
function contextOf(
  { member, toVote = false }: Extract<MemberOrder, { readonly kind: "add" }>,
  { members }: Base,
): Uint8Array {
  return memberContext(member, toVote && members.format >= REMEMBERS_MEMBERS);
}

function usedUp(id: MemberId): Failure {
  return failure("INVALID", {
    object: `member ${id}`,
    what: "was removed, and an id is given once",
    remedy: "Add it under another id, with an empty directory.",
    details: { reason: "idRemoved" },
  });
}

function unknown(id: MemberId): Failure {
  return failure("INVALID", {
    object: `member ${id}`,
    what: "is no member of this cluster",
    remedy: "List the members and correct the order.",
  });
}
