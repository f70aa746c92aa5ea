/**
 * Configurations: majorities, changes and their form in the log.
 *
 * Invariants: I1 a configuration entry holds the whole configuration, so a truncated log is in no doubt about it. I2
 * between one configuration and the next, either at most one voter differs or a joint configuration stands between
 * them. Source: Ongaro's dissertation §4.1–4.3. Leaves out: when a change may be proposed (`membership.ts`).
 */
import { assert } from "../../../base/assert.ts";
import type { Codec } from "../../../base/codec.ts";
import { ByteReader, ByteWriter, listOf, struct, uintCodec } from "../../../base/codec.ts";
import type { Configuration, MemberId } from "./messages.ts";

/** One step of a change of membership. A voter begins as a learner, unless nothing is to be learnt yet. */
export type Change =
  | { readonly kind: "addLearner"; readonly member: MemberId }
  | { readonly kind: "promote"; readonly member: MemberId }
  | { readonly kind: "remove"; readonly member: MemberId };

export function isJoint(config: Configuration): boolean {
  return config.outgoing.length > 0;
}

export function isVoter(config: Configuration, member: MemberId): boolean {
  return config.voters.includes(member) || config.outgoing.includes(member);
}

/** Everybody who gets the log, each once, ascending. */
export function membersOf(config: Configuration): readonly MemberId[] {
  const all = new Set([...config.voters, ...config.outgoing, ...config.learners]);
  return [...all].sort((a, b) => a - b);
}

export function votersOf(config: Configuration): readonly MemberId[] {
  return [...new Set([...config.voters, ...config.outgoing])].sort((a, b) => a - b);
}

/** Whether those for whom `says` holds are a majority of every set that decides. Of an empty set there is none. */
export function isQuorum(config: Configuration, says: (member: MemberId) => boolean): boolean {
  return majority(config.voters, says) && (!isJoint(config) || majority(config.outgoing, says));
}

function majority(members: readonly MemberId[], says: (member: MemberId) => boolean): boolean {
  let count = 0;
  for (const member of members) if (says(member)) count++;
  return count * 2 > members.length;
}

/** The greatest number that a majority of every deciding set has reached. */
export function quorumNumber(config: Configuration, of: (member: MemberId) => number): number {
  const incoming = majorityNumber(config.voters, of);
  return isJoint(config) ? Math.min(incoming, majorityNumber(config.outgoing, of)) : incoming;
}

function majorityNumber(members: readonly MemberId[], of: (member: MemberId) => number): number {
  if (members.length === 0) return 0;
  const numbers = members.map(of).sort((a, b) => b - a);
  return numbers[Math.floor(members.length / 2)] as number;
}

/** The configuration after `changes`, or what is wrong with them. */
export function changed(
  config: Configuration,
  changes: readonly Change[],
): Configuration | { readonly wrong: string } {
  assert(!isJoint(config), "a change starts from a configuration that stands by itself");
  const voters = new Set(config.voters);
  const learners = new Set(config.learners);
  if (changes.length === 0) return { wrong: "it changes nothing" };
  for (const { kind, member } of changes) {
    const known = voters.has(member) || learners.has(member);
    if (kind === "addLearner" && known) return { wrong: `member ${member} is there already` };
    if (kind !== "addLearner" && !known) return { wrong: `there is no member ${member}` };
    if (kind === "promote" && voters.has(member))
      return { wrong: `member ${member} votes already` };
    if (kind === "addLearner") learners.add(member);
    else learners.delete(member);
    if (kind === "promote") voters.add(member);
    if (kind === "remove") voters.delete(member);
  }
  if (voters.size === 0) return { wrong: "no voter would be left" };
  const difference =
    [...voters].filter((member) => !config.voters.includes(member)).length +
    config.voters.filter((member) => !voters.has(member)).length;
  return {
    voters: ascending(voters),
    outgoing: difference > 1 ? config.voters : [],
    learners: ascending(learners),
  };
}

/** The configuration that follows a joint one. */
export function left(config: Configuration): Configuration {
  assert(isJoint(config), "only a joint configuration is left");
  return { voters: config.voters, outgoing: [], learners: config.learners };
}

function ascending(members: Iterable<MemberId>): readonly MemberId[] {
  return [...members].sort((a, b) => a - b);
}

export const configurationCodec: Codec<Configuration> = struct<Configuration>({
  voters: listOf(uintCodec),
  outgoing: listOf(uintCodec),
  learners: listOf(uintCodec),
});

const NO_CONTEXT = new Uint8Array(0);

/** The content of a configuration entry; `context` is the caller's and goes with it. */
export function encodeConfiguration(
  config: Configuration,
  context: Uint8Array = NO_CONTEXT,
): Uint8Array {
  const writer = new ByteWriter(32 + context.length);
  configurationCodec.encode(writer, config);
  writer.array(context);
  return writer.take();
}

/** Throws `Malformed` for bytes that do not begin with a configuration. */
export function decodeConfiguration(data: Uint8Array): Configuration {
  return configurationCodec.decode(new ByteReader(data));
}

/** What the caller sent along with a configuration. */
export function contextOf(data: Uint8Array): Uint8Array {
  const reader = new ByteReader(data);
  configurationCodec.decode(reader);
  return data.subarray(reader.at);
}
