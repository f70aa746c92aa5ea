/**
 * Snapshots in chunks, for followers whose entries are no longer kept.
 *
 * The machine says which chunk is read, sent and kept next; the bytes stay with the host, which reads and writes
 * files. One chunk of a follower is on its way at a time; the follower's answer says where to go on, so a transfer
 * survives lost messages, broken connections and a leader that comes back.
 * Invariants: I1 chunks are kept in order, without a gap. I2 a snapshot that is not ahead of what is committed is
 * answered and not kept. I3 it takes the log's place only when it is there as a whole and the host has checked it; it
 * is acknowledged when that is on stable storage.
 * Source: Raft §7, with offsets; a snapshot is known by index, term and maker, for two makers' bytes may differ.
 */
import type { Core } from "./core.ts";
import type { RaftInput } from "./inputs.ts";
import type { MemberId, MessageOf, SnapshotMeta } from "./messages.ts";
import { NOBODY } from "./messages.ts";
import type { Progress } from "./progress.ts";

type InputOf<K extends RaftInput["kind"]> = Extract<RaftInput, { readonly kind: K }>;

/** Asks the host for the chunks that are to be sent next. */
export function transmitChunks(core: Core): void {
  for (const [member, progress] of core.progress) {
    const sending = progress.transmission;
    if (sending === undefined) continue;
    if (sending.state === "due") ask(core, member, progress);
  }
}

function ask(core: Core, to: MemberId, progress: Progress): void {
  const sending = progress.transmission;
  if (sending === undefined) return;
  const { snapshot, offset } = sending;
  progress.transmission = { snapshot, offset, state: "asked", since: core.ticks };
  core.chunkReads.push({ to, index: snapshot.index, offset });
}

export function onChunkRead(core: Core, input: InputOf<"chunkRead">): void {
  const progress = core.progress.get(input.to);
  const sending = progress?.transmission;
  if (progress === undefined || sending?.state !== "asked") return;
  if (sending.snapshot.index !== input.index || sending.offset !== input.offset) return;
  if (input.data === undefined) {
    // The host has let go of that one: begin again with the newest.
    progress.transmit(core.log.snapshot, 0, core.ticks);
    return;
  }
  progress.transmission = { ...sending, state: "sent", since: core.ticks };
  const { snapshot, offset } = sending;
  core.send(input.to, { kind: "chunk", snapshot, offset, data: input.data, last: input.last });
}

export function onChunkReply(core: Core, reply: MessageOf<"chunkReply">): void {
  const progress = core.progress.get(reply.from);
  if (progress === undefined) return;
  progress.active = true;
  const sending = progress.transmission;
  if (sending?.state !== "sent" || sending.snapshot.index !== reply.index) return;
  if (reply.next === sending.offset) return;
  progress.transmit(sending.snapshot, reply.next, core.ticks);
}

/** Sends chunks again whose answer has not come for an election time-out, or whose connection broke. */
export function resendChunks(core: Core, broken: MemberId | undefined): void {
  for (const [member, progress] of core.progress) {
    const sending = progress.transmission;
    if (sending?.state !== "sent") continue;
    const isLate = core.ticks - sending.since >= core.options.electionTicks;
    if (isLate || member === broken)
      progress.transmit(sending.snapshot, sending.offset, core.ticks);
  }
}

export function onChunk(core: Core, chunk: MessageOf<"chunk">): void {
  const { snapshot, offset, data, last } = chunk;
  const { log } = core;
  if (snapshot.index <= log.commit && core.rules.snapshotsGoForward) {
    core.reception = undefined;
    core.verified = Math.max(core.verified, log.commit);
    core.ackDue = true;
    return;
  }
  if (isInLog(core, snapshot)) return;
  const going = core.reception;
  if (going !== undefined && going.writing !== "no" && core.rules.oneChunkAtATime) return;
  const continues = going !== undefined && isSame(going.snapshot, snapshot);
  const next = continues ? going.next : 0;
  core.reception = { snapshot, next, writing: "no" };
  if (offset !== next) {
    core.send(chunk.from, { kind: "chunkReply", index: snapshot.index, next });
    return;
  }
  core.reception = { snapshot, next, writing: last ? "last" : "yes" };
  core.chunkWrites.push({ snapshot, offset, data, last });
}

/**
 * Whether the log holds what the snapshot is of; then that is committed, and nothing is to be replaced: entries after it
 * may have been acknowledged.
 */
function isInLog(core: Core, snapshot: SnapshotMeta): boolean {
  if (core.log.term(snapshot.index) !== snapshot.term) return false;
  core.log.commitTo(snapshot.index);
  core.verified = Math.max(core.verified, snapshot.index);
  core.ackDue = true;
  return true;
}

function isSame(a: SnapshotMeta, b: SnapshotMeta): boolean {
  return a.index === b.index && a.term === b.term && a.source === b.source;
}

export function onChunkWritten(core: Core, input: InputOf<"chunkWritten">): void {
  const { reception } = core;
  if (reception === undefined || reception.writing === "no") return;
  if (reception.snapshot.index !== input.index) return;
  if (input.valid && reception.writing === "last") {
    core.reception = undefined;
    if (core.role === "follower") install(core, reception.snapshot);
    return;
  }
  const next = input.valid ? input.next : 0;
  core.reception = { snapshot: reception.snapshot, next, writing: "no" };
  if (core.role === "follower" && core.leader !== NOBODY)
    core.send(core.leader, { kind: "chunkReply", index: input.index, next });
}

function install(core: Core, snapshot: SnapshotMeta): void {
  // The log may have come by itself while the last chunk was being written.
  if (snapshot.index <= core.log.commit && core.rules.snapshotsGoForward) return;
  if (core.rules.keepsLogThatHoldsSnapshot && isInLog(core, snapshot)) return;
  core.log.install(snapshot);
  core.applied = core.handedToApply = snapshot.index;
  core.verified = snapshot.index;
  core.ackDue = true;
}
