/**
 * The state of a machine as text, for telling states apart while exploring.
 *
 * Counts that only grow (ticks, tickets, rounds) enter as differences, so that a state reached by another way is the
 * same one. What the host has not taken yet is part of it.
 */
import type { Core } from "./core.ts";
import type { Entry } from "./messages.ts";

export function fingerprint(core: Core): string {
  const { log } = core;
  const entries = log.slice(log.first, log.last, Infinity).map(entryText).join("");
  const parts: (string | number | boolean)[] = [
    core.role,
    core.term,
    core.vote,
    core.durable.term,
    core.durable.vote,
    core.writingState?.term ?? "-",
    core.writingState?.vote ?? "-",
    core.leader,
    log.first,
    entries,
    log.commit,
    log.fingerprint(),
    core.applied,
    core.handedToApply,
    [...core.votes].map(([member, granted]) => `${member}${granted ? "+" : "-"}`).join(""),
    core.byTransfer,
    core.splitIn,
    core.sinceContact,
    core.sinceHeartbeat,
    core.electionTimeout,
    Math.max(0, core.promisedUntil - core.ticks),
    core.transfer === undefined ? "-" : `${core.transfer.to}${core.transfer.asked}`,
    core.leaseBroken,
    core.verified,
    core.acknowledged,
    core.ackDue,
    JSON.stringify(core.lost ?? null),
    core.reads.fingerprint(core.ticks),
    JSON.stringify([core.held, core.messages, core.readsDone, core.readsRefused]),
    JSON.stringify([core.reception ?? null, core.chunkReads.length, core.chunkWrites.length]),
  ];
  for (const [member, progress] of core.progress) parts.push(member, progress.fingerprint());
  return parts.join(",");
}

/** An entry as `index/term` with a letter for its kind and, of data, the content. */
export function entryText({ index, term, kind, data }: Entry): string {
  const content = kind === "data" ? `"${String.fromCharCode(...data)}"` : "";
  return `${index}/${term}${kind === "noop" ? "" : kind === "config" ? "*" : content} `;
}
