/**
 * Linearizable reads without the log: the commit index at which a read may be answered, once leadership is confirmed.
 *
 * Invariants: I1 a read's index is at least every index committed before it began, which the leader knows only after it has
 * committed in its own term. I2 leadership is confirmed by a majority's answers to a heartbeat sent after the read
 * began, or by a lease. I3 a lease counts from when the heartbeat that a majority answered was sent, is shorter than
 * the followers' promise, and ends with the leadership and with the first request of a transfer.
 * Source: Ongaro's dissertation §6.4, §6.4.1; the rule on transfers is ours: the candidate of a transfer is elected in
 * spite of promises, and the request may arrive late.
 */
import { assert } from "../../../base/assert.ts";
import type { Core } from "./core.ts";
import type { MessageOf } from "./messages.ts";
import { heartbeat } from "./replication.ts";

export function requestRead(core: Core, id: number): void {
  assert(core.role === "leader", "only a leader confirms reads");
  core.reads.add(id, core.log.commit);
}

export function onRoundAnswered(core: Core, reply: MessageOf<"heartbeatReply">): void {
  if (reply.round > 0 && reply.round <= core.reads.round)
    core.reads.answered(reply.from, reply.round);
}

/** Confirms what can be confirmed, and begins a round for what waits. */
export function advanceReads(core: Core): void {
  const { reads, log } = core;
  if (core.rules.readNeedsOwnTerm && log.commit < core.termStart) return;
  if (reads.isOpen && isAnswered(core)) release(core, reads.confirm());
  if (hasLease(core)) release(core, reads.takeWaiting());
  if (!reads.isDue) return;
  reads.begin(core.ticks);
  if (isAnswered(core)) release(core, reads.confirm());
  else heartbeat(core);
}

/** Keeps the lease alive: every heartbeat asks a new round once the last one is answered. */
export function renewLease(core: Core): void {
  if (core.options.leaseTicks > 0 && !core.reads.isOpen) core.reads.begin(core.ticks);
}

function isAnswered(core: Core): boolean {
  if (!core.rules.readNeedsQuorum) return true;
  return core.isQuorum((member) => member === core.id || core.reads.hasAnswered(member));
}

function hasLease(core: Core): boolean {
  const { leaseTicks } = core.options;
  if (leaseTicks === 0 || (core.leaseBroken && core.rules.transferEndsLease)) return false;
  return core.ticks - core.reads.confirmedAt < leaseTicks;
}

function release(
  core: Core,
  reads: readonly { readonly id: number; readonly index: number }[],
): void {
  // A read that waited for the first entry of the term gets an index that holds it.
  const least = core.rules.readNeedsOwnTerm ? core.termStart : 0;
  for (const { id, index } of reads) core.readsDone.push({ id, index: Math.max(index, least) });
}
