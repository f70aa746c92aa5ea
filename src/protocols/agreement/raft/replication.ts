/**
 * Replication: the leader's log goes to the followers, and what a majority has on stable storage is committed.
 *
 * Invariants: I1 the leader counts itself as far as its own log is on stable storage, which it writes while the others
 * write theirs. I2 only entries of the own term are committed by counting. I3 a follower acknowledges no more than is on
 * stable storage and is known to be as the leader has it; it cuts its log only at a conflict.
 * Source: Raft §5.3, §5.4.2; Ongaro's dissertation §3.5, §10.2.1; hints of term and index as in etcd's raft.
 */
import { assert, must } from "../../../base/assert.ts";
import type { Core } from "./core.ts";
import type { EntryKind, MemberId, MessageOf } from "./messages.ts";
import { entryBytes } from "./messages.ts";
import type { Progress } from "./progress.ts";

/** The leader adds an entry to its log; returns its index. */
export function appendOwn(core: Core, kind: EntryKind, data: Uint8Array): number {
  assert(core.role === "leader", "only a leader adds entries");
  const index = core.log.last + 1;
  core.log.append({ index, term: core.term, kind, data });
  if (kind === "config") core.trackMembers();
  return index;
}

/** Sends every follower what it may have by now. */
export function replicate(core: Core): void {
  for (const [member, progress] of core.progress) feed(core, member, progress);
}

function feed(core: Core, member: MemberId, progress: Progress): void {
  const { log, options } = core;
  while (!progress.isPaused(options.inflightMessagesMax, options.inflightBytesMax)) {
    const prevIndex = progress.next - 1;
    const prevTerm = log.term(prevIndex);
    if (prevTerm === undefined) {
      progress.transmit(log.snapshot, 0, core.ticks);
      return;
    }
    const more = log.last >= progress.next;
    const tell = progress.state === "replicate" && progress.commitTold < log.commit;
    if (!more && !tell && !progress.nudged) return;
    const entries = more ? log.slice(progress.next, log.last, options.appendBytesMax) : [];
    core.send(member, { kind: "append", prevIndex, prevTerm, entries, commit: log.commit });
    progress.nudged = false;
    progress.commitTold = log.commit;
    const last = entries.at(-1);
    if (last === undefined) {
      if (progress.state === "probe") progress.waiting = true;
      return;
    }
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    progress.sent(last.index, bytes);
  }
}

/** Commits what the majorities have. */
export function advanceCommit(core: Core): void {
  const { log } = core;
  const own = core.rules.ownEntriesFirst ? log.written : log.last;
  const reached = core.quorumNumber((member) =>
    member === core.id ? own : (core.progress.get(member)?.match ?? 0),
  );
  if (reached <= log.commit) return;
  const term = must(log.term(reached), "what is not committed is kept");
  if (core.rules.countsTowardsCommit(term, core.term)) log.commitTo(reached);
}

export function onAppendReply(core: Core, reply: MessageOf<"appendReply">): void {
  const progress = core.progress.get(reply.from);
  if (progress === undefined) return;
  assert(reply.index <= core.log.last, "a follower has no more than its leader");
  progress.active = true;
  progress.acknowledged(reply.index);
  progress.measure(core.log.last, core.ticks, core.options.electionTicks);
}

export function onAppendRefused(core: Core, refused: MessageOf<"appendRefused">): void {
  const progress = core.progress.get(refused.from);
  if (progress === undefined) return;
  progress.active = true;
  if (progress.state === "snapshot") return;
  if (refused.prevIndex === 0) {
    // It lost what it acknowledged, and is fed again from where its log ends now.
    progress.rewind(core.log.findTerm(refused.hintIndex, refused.hintTerm).index + 1);
    return;
  }
  if (progress.state === "replicate") {
    // A late refusal of what has been acknowledged since says nothing.
    if (refused.prevIndex <= progress.match) return;
    progress.probe(progress.match + 1);
    progress.nudged = true;
    return;
  }
  if (refused.prevIndex !== progress.next - 1) return;
  const meets = core.log.findTerm(refused.hintIndex, refused.hintTerm).index;
  progress.probe(Math.min(refused.prevIndex, meets + 1));
  progress.nudged = true;
}

/** A follower that answers heartbeats can take more, and may have lost what was sent last. */
export function onHeartbeatReply(core: Core, reply: MessageOf<"heartbeatReply">): void {
  const progress = core.progress.get(reply.from);
  if (progress === undefined) return;
  progress.active = true;
  progress.waiting = false;
  const { inflightMessagesMax, inflightBytesMax } = core.options;
  if (progress.state === "replicate" && progress.isPaused(inflightMessagesMax, inflightBytesMax))
    progress.freeOne();
  if (progress.match < core.log.last) progress.nudged = true;
  progress.measure(core.log.last, core.ticks, core.options.electionTicks);
}

export function heartbeat(core: Core): void {
  core.sinceHeartbeat = 0;
  for (const [member, progress] of core.progress) {
    const commit = Math.min(progress.match, core.log.commit);
    core.send(member, { kind: "heartbeat", commit, round: core.reads.round });
  }
}

export function onAppend(core: Core, append: MessageOf<"append">): void {
  const { log } = core;
  if (append.entries.some(({ index }, at) => index !== append.prevIndex + 1 + at)) return;
  if (append.prevIndex < log.commit) {
    core.verified = Math.max(core.verified, log.commit);
    core.ackDue = true;
    return;
  }
  if (core.lost !== undefined && append.prevIndex > log.last) return tellLoss(core);
  if (log.term(append.prevIndex) !== append.prevTerm) {
    const hint = log.findTerm(append.prevIndex, append.prevTerm);
    core.send(append.from, {
      kind: "appendRefused",
      prevIndex: append.prevIndex,
      hintIndex: hint.index,
      hintTerm: hint.term,
    });
    return;
  }
  if (append.entries.length > 0 && log.unwrittenBytes > core.options.unwrittenBytesMax) return;
  take(core, append);
  const verified = append.prevIndex + append.entries.length;
  core.verified = Math.max(core.verified, verified);
  const commit = core.rules.followerCommit(append.commit, verified, log.last);
  if (commit > log.commit) log.commitTo(commit);
  core.ackDue = true;
}

/** Puts the entries of a message that fits onto the log. */
function take(core: Core, { entries, prevIndex }: MessageOf<"append">): void {
  const { log } = core;
  for (const entry of entries) {
    const term = log.term(entry.index);
    if (term === entry.term) continue;
    if (term !== undefined) log.cut(entry.index);
    log.append(entry);
  }
  const end = prevIndex + entries.length;
  if (!core.rules.cutsAtConflictOnly && log.last > Math.max(end, log.commit))
    log.cut(Math.max(end, log.commit) + 1);
}

/** Tells the leader that it is to send again what was acknowledged: no log is refused at 0. */
function tellLoss(core: Core): void {
  const { index: hintIndex, term: hintTerm } = core.log.end;
  core.send(core.leader, { kind: "appendRefused", prevIndex: 0, hintIndex, hintTerm });
}

/** A heartbeat's commit index is one that this member has acknowledged in this term. */
export function onHeartbeat(core: Core, beat: MessageOf<"heartbeat">): void {
  const { log } = core;
  const { lost } = core;
  if (lost !== undefined && beat.commit > log.last) tellLoss(core);
  assert(
    lost !== undefined || beat.commit <= log.last,
    "this member's storage has lost what it acknowledged",
  );
  // What is left of a damaged log may differ from the leader's, until it was compared.
  const commit = lost === undefined ? beat.commit : Math.min(beat.commit, core.verified);
  core.verified = Math.max(core.verified, commit);
  core.acknowledged = Math.max(core.acknowledged, commit);
  if (commit > log.commit) log.commitTo(commit);
  core.send(beat.from, { kind: "heartbeatReply", round: beat.round });
}

/** Tells the leader what is on stable storage, if that is news or was asked. */
export function acknowledge(core: Core): void {
  const stable = core.rules.entriesFirst ? core.log.written : core.log.last;
  const index = Math.min(stable, core.verified);
  const news = index > core.acknowledged || (core.ackDue && core.verified <= stable);
  if (!news) return;
  core.ackDue = false;
  core.acknowledged = index;
  core.send(core.leader, { kind: "appendReply", index });
}
