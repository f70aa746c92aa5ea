/**
 * Handing leadership over on purpose: the leader admits nothing, brings the other member up to date, asks it to stand.
 *
 * Invariants: I1 nothing is admitted from the request until the new term, or until the time is up. I2 the member is asked
 * only when it has the whole log. Source: Ongaro's dissertation §3.10.
 */
import { failure } from "../../../base/errors.ts";
import { isVoter } from "./configuration.ts";
import type { Core } from "./core.ts";
import { mayStand, stand } from "./election.ts";
import type { Admitted } from "./inputs.ts";
import type { MemberId } from "./messages.ts";

export function beginTransfer(core: Core, to: MemberId): Admitted {
  if (to === core.id || !isVoter(core.log.config, to) || !core.progress.has(to)) {
    const init = {
      object: `raft member ${core.id}`,
      what: `cannot hand leadership to ${to}, which is not another voter`,
      remedy: "Name another voter.",
    };
    return { ok: false, failure: failure("INVALID", init) };
  }
  core.transfer = { to, until: core.ticks + core.options.electionTicks, asked: false };
  return { ok: true, index: core.log.last, term: core.term };
}

/** Asks the member to stand when it is up to date; gives up when the time is up. */
export function advanceTransfer(core: Core): void {
  const { transfer } = core;
  if (transfer === undefined) return;
  const isOver = core.ticks >= transfer.until && core.rules.transferEnds;
  if (isOver || !core.progress.has(transfer.to)) {
    core.transfer = undefined;
    return;
  }
  if (transfer.asked || core.progress.get(transfer.to)?.match !== core.log.last) return;
  core.transfer = { ...transfer, asked: true };
  core.leaseBroken = true;
  core.send(transfer.to, { kind: "timeoutNow" });
}

export function onTimeoutNow(core: Core): void {
  if (mayStand(core) && !core.isStalled) stand(core, true);
}
