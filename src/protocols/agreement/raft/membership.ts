/**
 * Changes of membership.
 *
 * Invariants: I1 a configuration is in force from the moment it is in the log, committed or not. I2 a change begins only when
 * an entry of the leader's term is committed (else two leaders' single-server changes can leave disjoint majorities)
 * and the change before it is. I3 more than one voter changes only through a joint configuration, which the leader
 * leaves once it is committed. I4 a learner is promoted only when it had, within an election time-out, what the leader had at
 * its beginning. I5 a leader that its committed configuration leaves out steps down, and asks the most advanced voter
 * to take over.
 * Source: Ongaro's dissertation §4; his note on single-server changes (raft-dev, 2015).
 */
import type { Failure } from "../../../base/errors.ts";
import { failure } from "../../../base/errors.ts";
import type { Change } from "./configuration.ts";
import { changed, encodeConfiguration, isJoint, isVoter, left } from "./configuration.ts";
import type { Core } from "./core.ts";
import type { Admitted } from "./inputs.ts";
import type { Configuration } from "./messages.ts";
import { NOBODY } from "./messages.ts";
import { appendOwn } from "./replication.ts";

/** Proposes a change. */
export function proposeChange(
  core: Core,
  changes: readonly Change[],
  context?: Uint8Array,
): Admitted {
  const config = configAfter(core, changes);
  if ("ok" in config) return config;
  const index = appendOwn(core, "config", encodeConfiguration(config, context));
  return { ok: true, index, term: core.term };
}

/** The configuration that a change would begin, or why it may not begin now. */
export function configAfter(
  core: Core,
  changes: readonly Change[],
): Configuration | (Admitted & { readonly ok: false }) {
  const { log } = core;
  if (core.rules.changeNeedsOwnTerm && log.commit < core.termStart)
    return notYet(core, "has not committed in its term yet");
  if (isJoint(log.config) || (core.rules.oneChangeAtATime && log.configIndex > log.commit))
    return notYet(core, "is still changing its members");
  const config = changed(log.config, changes);
  if ("wrong" in config) return { ok: false, failure: invalid(core, config.wrong) };
  for (const change of changes) {
    if (change.kind !== "promote" || !core.rules.promotesCaughtUp) continue;
    const isReady = core.progress
      .get(change.member)
      ?.isCaughtUp(core.ticks, core.options.electionTicks);
    if (isReady !== true)
      return notYet(core, `cannot promote member ${change.member}, which has not caught up`);
  }
  return config;
}

function notYet(core: Core, what: string): Admitted & { readonly ok: false } {
  const init = { object: `raft member ${core.id}`, what, remedy: "Try again in a moment." };
  return { ok: false, failure: failure("CONTENTION", init) };
}

function invalid(core: Core, what: string): Failure {
  return failure("INVALID", {
    object: `raft member ${core.id}`,
    what: `refuses the change: ${what}`,
    remedy: "List the members and correct the change.",
  });
}

/** What a leader does when a configuration is committed; true if it has stepped down. */
export function afterCommit(core: Core): boolean {
  const { log } = core;
  if (log.configIndex > log.commit) return false;
  if (isJoint(log.config)) {
    appendOwn(core, "config", encodeConfiguration(left(log.config)));
    return false;
  }
  if (isVoter(log.config, core.id)) return false;
  handOver(core);
  core.becomeFollower(core.term, NOBODY);
  return true;
}

function handOver(core: Core): void {
  for (const member of core.log.config.voters) {
    if (core.progress.get(member)?.match !== core.log.last) continue;
    core.send(member, { kind: "timeoutNow" });
    return;
  }
}
